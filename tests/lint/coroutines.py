#!/usr/bin/env python3
"""Finds what g++ 12 miscompiles, or what loses an error, around co_await; and sleeps.

Usage: coroutines.py ROOT   looks at common/, daemon/ and cli/; exit code 1 names each wrong line
       coroutines.py --self-test

Rules (CONTRIBUTING.md): one co_await per statement; no temporary made with braces and no lambda with owning captures in that statement; no
co_await in a conditional expression; never asio::detached; no sleep. A line that is right although it looks wrong says
why: // lint: allowed, REASON
"""
import pathlib
import re
import sys

# Comments, raw strings, strings and characters, digit separators: blanked, so that only code is looked at.
NOISE = re.compile(
    r"//[^\n]*|/\*.*?\*/|R\"([^(\s]*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'", re.S)
LAMBDA = re.compile(r"(?:^|[^\w\s)\]]|\breturn)\s*\[[^\[\]]*\]\s*(\([^{]*\))?\s*(mutable|noexcept|\s)*(->[^{;]*)?$")
BLOCK = re.compile(r"(\)|\belse|\bdo|\btry|\bconst|\bnoexcept|\boverride|\bfinal|\)\s*->[^;]*|[:;{}]|^)\s*$")
TYPE = re.compile(r"^\s*(template\b.*\s)?(extern|inline|namespace|class|struct|union|enum)\b[^()=]*$")
# Lambdas that own what they capture; those without captures, or with references only, are compiled well.
OWNING_LAMBDA = re.compile(
    r"(?:^|[(,={&|?:]|\breturn|\bco_await)\s*\[(?!\s*((&\w*|this)(\s*,\s*(&\w+|this))*)?\s*\])")


def blank(match):
    text = match.group()
    kept = '""' if text[0] in "\"R'" else " "
    return kept + "\n" * text.count("\n")


def examine(statement, line, report):
    """One statement without the bodies of blocks; `{` in it begins a temporary, `[` a lambda or an index."""
    count = len(re.findall(r"\bco_await\b", statement))
    if count == 0:
        return
    if count > 1:
        report(line, "two co_await in one statement: one each, with named results")
    if "?" in statement:
        report(line, "co_await beside ?: - use if")
    # A local named with braces, `T name{co_await f()};`, is no temporary.
    head = re.match(r"\s*(const\s+)?[\w:]+(<[^;(]*>)?[&\s]\s*\w+\s*\{(?=\s*co_await)", statement)
    if "{" in (statement[head.end():] if head else statement):
        report(line, "a temporary with braces beside co_await: bind it to a named local first")
    if OWNING_LAMBDA.search(re.sub(r"^\s*(const\s+)?auto\s*&{0,2}\s*\[[^\]]*\]\s*=", "", statement)):
        report(line, "a lambda that owns its captures beside co_await: bind it to a named local first")


def check(text, report):
    source_lines = text.splitlines()

    def tell(line, reason):
        if "lint: allowed," not in source_lines[line - 1]:
            report(line, reason)

    code = NOISE.sub(blank, text)
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group().count("\n"), code, flags=re.M)
    for number, line in enumerate(code.splitlines(), 1):
        if "asio::detached" in line:
            tell(number, "asio::detached loses exceptions: spawn through a TaskGroup")
        if re.search(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>])sleep\s*\(", line):
            tell(number, "a sleep hides a race or blocks a thread: wait for the event")

    # `stack` holds the statements around the present block, each with its depth of parentheses.
    stack, statement, started, line, parens = [], "", 1, 1, 0
    braces = []  # "block", "lambda" or "value" for each open {
    for position, char in enumerate(code):
        if char == "\n":
            line += 1
        if not statement.strip() and not char.isspace():
            statement, started = "", line
        if char == "{":
            if LAMBDA.search(statement):
                kind = "lambda"
            elif "value" in braces[-1:] or not (BLOCK.search(statement) or TYPE.match(statement)):
                kind = "value"
            else:
                kind = "block"
            braces.append(kind)
            if kind == "value":
                statement += char
                continue
            if kind == "block":
                examine(statement, started, tell)
            stack.append((statement, started, parens))
            statement, parens = "", 0
        elif char == "}" and braces:
            kind = braces.pop()
            if kind == "value":
                statement += char
                continue
            statement, started, parens = stack.pop()
            if kind == "block":
                statement = ""
        elif char == ";" and parens == 0 and braces[-1:] != ["value"]:
            examine(statement, started, tell)
            statement = ""
        else:
            parens += (char == "(") - (char == ")")
            statement += char
            # `if (co_await f()) g({1});` are two statements.
            if char == ")" and parens == 0 and re.match(r"\s*(else\s+)?(if|while|for|switch)\b[^()]*\(", statement):
                if "co_await" in statement and not re.match(r"\s*\{", code[position + 1:]):
                    examine(statement, started, tell)
                    statement = ""


RIGHT = """
auto executor = co_await asio::this_coro::executor;
if (auto found = co_await lookup(id); found) { use({1, 2}); }
while (co_await next(items[3])) { auto x = T{1}; }
if (co_await next()) call({1});
auto task = [this](int a) -> asio::awaitable<void> { co_await a_(); co_await b_(); };
group.spawn("name", [&]() -> asio::awaitable<void> { co_await a(); co_return; });
asio::awaitable<void> C::run(int a) { co_await a_(); }
T value{co_await f()};
auto [first, second] = co_await pair();
// co_await f({1}); asio::detached
for (auto& x : list) { co_await go(x, "a{b[c"); }
do { co_await f(); } while (more());
try { co_await f(); } catch (const E& e) { g(T{}); }
switch (x) { case A: { co_await f(); break; } default: co_await g(); }
struct S : B { int a{0}; std::vector<int> b = {1, 2}; };
co_await wait_for(ids, [](const T& t) { return t.settled(); });
co_await wait_for(ids, [&, this](const T& t) { return t.settled(); });
co_await f(); auto x = T{.a = [y] { return 1; }};
""".strip().split("\n")
WRONG = """
co_await f(T{.name = a});
co_await f({1, 2});
auto r = co_await call(a, [b] { return b; });
co_await [x]() -> asio::awaitable<void> { co_return; }();
auto r = co_await call(a, [&, b] { return b; });
auto r = co_await call(a, [=] { return b; });
auto x = c ? co_await f() : std::string();
co_spawn(co_await asio::this_coro::executor, [owned] { go(); }, token);
auto x = co_await f() + co_await g();
asio::co_spawn(executor, run(), asio::detached);
std::this_thread::sleep_for(1s);
if (co_await f(T{1})) { g(); }
f([this]() -> asio::awaitable<void> { co_await g(T{1}); });
return_value(T{1}, co_await f());
co_await T{}.method();
""".strip().split("\n")


def self_test():
    failures = 0
    for wanted, lines in ((False, RIGHT), (True, WRONG)):
        for text in lines:
            found = []
            check("asio::awaitable<void> f() {\n" + text + "\n}\n", lambda line, reason: found.append(reason))
            if bool(found) != wanted:
                failures += 1
                print(("not found: " if wanted else f"wrongly found ({found}): ") + text)
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        failures = self_test()
        print(f"coroutines: self-test, {failures} failures")
        return 1 if failures else 0
    root = pathlib.Path(sys.argv[1] if sys.argv[1:] else pathlib.Path(__file__).parents[2])
    count = 0
    for path in sorted(p for d in ("common", "daemon", "cli") for p in (root / d).rglob("*") if p.suffix in (".h", ".cpp")):
        def report(line, reason, path=path):
            nonlocal count
            count += 1
            print(f"{path.relative_to(root)}:{line}: {reason}")
        check(path.read_text(encoding="utf-8"), report)
    print(f"coroutines: {count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
