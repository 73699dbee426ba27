#include <doctest/doctest.h>

#include "common/base/error.h"
#include "common/config/dotenv.h"
#include "common/config/expansion.h"
#include "common/config/launch.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using test::Directory;

std::string problem(const std::string& text) {
  try {
    read_dotenv(text, ".env", {});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

Env dotenv(const std::string& text) {
  return read_dotenv(text, ".env", {{"HOME", "/h"}, {"E", ""}});
}

TEST_CASE("dotenv: the grammar") {
  CHECK(dotenv("") == Env{});
  CHECK(dotenv("\n  # a comment\n\t\r\n") == Env{});
  CHECK(dotenv("A=1\nB = two words \nC=\nexport D=4\r\nexport\tE_1=5\n.f-g=6") ==
        Env{{"A", "1"}, {"B", "two words"}, {"C", ""}, {"D", "4"}, {"E_1", "5"}, {".f-g", "6"}});
  CHECK(dotenv("A=1 # one\nB=a#b\nC=#x\nD='#' # y\nE=\"#\"") ==
        Env{{"A", "1"}, {"B", "a#b"}, {"C", ""}, {"D", "#"}, {"E", "#"}});
  CHECK(dotenv("A='a\\n$ ${X} \"'\nB=\" a\\n\\t\\\\\\\"\\q'\"\n") ==
        Env{{"A", "a\\n$ ${X} \""}, {"B", " a\n\t\\\"\\q'"}});
  CHECK(dotenv("A='one\ntwo'\nB=\"one\r\ntwo\\\nthree\"\nC=3") ==
        Env{{"A", "one\ntwo"}, {"B", "one\r\ntwothree"}, {"C", "3"}});
  CHECK(dotenv("export=1\nA=1\nA=2") == Env{{"export", "1"}, {"A", "2"}});
  CHECK(dotenv("\xEF\xBB\xBF"
               "A=\xff\xfe") == Env{{"A", "\xff\xfe"}});
  CHECK(dotenv("A=p$$a$b$\nB=\"\\$x\\${HOME}\"") == Env{{"A", "p$$a$b$"}, {"B", "$x${HOME}"}});
}

TEST_CASE("dotenv: variables") {
  CHECK(dotenv("A=${HOME}/x\nB=\"${A}/y\"\nC='${A}'\nD=${NO:-d}${E:-e}${E-f}\nE=$${A}") ==
        Env{{"A", "/h/x"}, {"B", "/h/x/y"}, {"C", "${A}"}, {"D", "de"}, {"E", "${A}"}});
}

TEST_CASE("dotenv: what is wrong has a line, and shows no value") {
  CHECK(problem("A=1\nhunter2\n") == ".env:2: expected = behind hunter2");
  CHECK(problem("=x") == ".env:1: expected the name of a variable");
  CHECK(problem("1A=x") == ".env:1: expected the name of a variable");
  CHECK(problem("A='1\n2") == ".env:1: this quote is not closed");
  CHECK(problem("A='1\n2'\nB=\"x") == ".env:3: this quote is not closed");
  CHECK(problem("A='x' hunter2") == ".env:1: text behind the closing quote");
  CHECK(problem(std::string("A=1\0", 4)) == ".env:1: NUL bytes are in it");
  CHECK(problem("A=x${B}") == ".env:1: expected a variable B in the environment, or ${B:-default}");
  CHECK(problem("A=x${B") == ".env:1: expected a closing } behind each ${ ($${ is the text)");
}

TEST_CASE("expansion") {
  const auto of = [](std::string_view text) {
    const Expansion out = expand(text, [](const std::string& name) -> std::optional<std::string> {
      if (name == "A") return "a";
      if (name == "EMPTY") return "";
      return std::nullopt;
    });
    return out.problem.empty() ? out.text : "! " + out.problem;
  };
  CHECK(of("") == "");
  CHECK(of("x${A}y${A}") == "xaya");
  CHECK(of("${EMPTY:-d}${EMPTY-d}${B-d}${B:-}") == "dd");
  CHECK(of("$A $$ $ pa$$word $5") == "$A $$ $ pa$$word $5");
  CHECK(of("$${A} $$${A}") == "${A} $${A}");
  for (const char* bad :
       {"${}", "${1}", "${a b}", "${A:?x}", "${A:x}", "${A/x/y}", "${A", "${B}"}) {
    CAPTURE(bad);
    CHECK(of(bad).starts_with("! "));
  }
}

TEST_CASE("which variables of the shell are inherited") {
  CHECK(inherits({}, "ANY"));
  CHECK(inherits({"PATH", "LC_*"}, "PATH"));
  CHECK(inherits({"PATH", "LC_*"}, "LC_ALL"));
  CHECK(inherits({"LC_*"}, "LC_"));
  CHECK_FALSE(inherits({"PATH", "LC_*"}, "HOME"));
  CHECK_FALSE(inherits({"!*"}, "PATH"));
  CHECK_FALSE(inherits({"!*TOKEN*"}, "MY_TOKEN_2"));
  CHECK(inherits({"!*TOKEN*"}, "TOKE"));
  CHECK_FALSE(inherits({"A*", "!AB"}, "AB"));
  CHECK(inherits({"A*", "!AB"}, "ABC"));
  CHECK(inherits({"*a*b*c*"}, "xaxbxxc"));
  CHECK_FALSE(inherits({"*a*b*c"}, "xaxbxxcx"));
}

TEST_CASE("a launch: files of variables, secrets and what is inherited") {
  const Directory directory;
  directory.program("bin/node");
  directory.file("a.js", "");
  directory.file("one.env", "A=1\nB=1\nC=1\nS=not-in-the-list\n");
  directory.file("two.env", "B=${FROM_SHELL}\n");
  LaunchRequest request;
  request.target = "a.js";
  request.current_dir = directory.path();
  request.environment = {
      {"PATH", directory / "bin"}, {"FROM_SHELL", "shell"}, {"S", "old"}, {"C", "hidden"},
      {"LISTEN_FDS", "1"},         {"TOKEN_X", "y"}};
  request.env = {{"C", "file"}};
  request.env_files = {"one.env", "two.env"};
  request.options.secret_files = {{"S", "secrets/s"}};
  request.options.inherit_env = {"!*TOKEN*"};
  const AppSpec spec = make_app_spec(request);
  CHECK(spec.env == Env{{"A", "1"},
                        {"B", "shell"},
                        {"C", "file"},
                        {"FROM_SHELL", "shell"},
                        {"PATH", directory / "bin"}});
  CHECK(spec.own_env == std::set<std::string, std::less<>>{"A", "B", "C"});
  CHECK(spec.env_origin == Env{{"A", directory / "one.env"}, {"B", directory / "two.env"}});
  CHECK(spec.secret_files == Env{{"S", directory / "secrets/s"}});
  CHECK(spec.hidden_env == Env{{"C", "hidden"}});

  AppSpec merged = spec;
  merge_shell(merged, {{"A", "new"}, {"S", "leak"}, {"MY_TOKEN", "leak"}, {"N", "1"}});
  CHECK(merged.env.at("A") == "new");
  CHECK(merged.env.at("N") == "1");
  CHECK_FALSE(merged.env.contains("S"));
  CHECK_FALSE(merged.env.contains("MY_TOKEN"));
  CHECK_FALSE(merged.own_env.contains("A"));
  CHECK_FALSE(merged.env_origin.contains("A"));

  request.options.inherit_env = {"!*"};  // the program is found all the same
  CHECK(make_app_spec(request).env == Env{{"A", "1"}, {"B", "shell"}, {"C", "file"}});
  request.env_files = {"none.env"};
  CHECK_THROWS_WITH_AS(make_app_spec(request),
                       doctest::Contains((directory / "none.env does not exist").c_str()), Error);
}

}  // namespace
}  // namespace pmx
