// IgnorePatterns: gitignore's rules, what pm2's users write, and what is always ignored.
#include "daemon/policy/ignore_patterns.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace pmx;
using Patterns = std::vector<std::string>;

namespace {

IgnorePatterns of(const Patterns& patterns) {
  IgnorePatterns result("/srv/app");
  for (const std::string& pattern : patterns) result.add(pattern);
  CHECK(result.problems() == Patterns{});
  return result;
}

// A path with a slash at its end is a directory.
bool ignored(const Patterns& patterns, std::string path) {
  const bool is_directory = path.ends_with('/');
  if (is_directory) path.pop_back();
  return of(patterns).ignores(path, is_directory);
}

std::string problem(const std::string& pattern) {
  IgnorePatterns patterns("/srv/app");
  patterns.add(pattern);
  return patterns.problems().empty() ? "" : patterns.problems().front();
}

}  // namespace

TEST_CASE("a name without a slash is ignored everywhere, with all below it") {
  CHECK(ignored({"logs"}, "logs"));
  CHECK(ignored({"logs"}, "a/b/logs/c/d.txt"));
  CHECK_FALSE(ignored({"logs"}, "logs2/x"));
  CHECK_FALSE(ignored({"logs"}, "mylogs"));
  CHECK_FALSE(ignored({"logs"}, "LOGS"));
}

TEST_CASE("a slash ties to the root") {
  CHECK(ignored({"/logs"}, "logs/x"));
  CHECK_FALSE(ignored({"/logs"}, "a/logs/x"));
  CHECK(ignored({"a/logs"}, "a/logs/x"));
  CHECK_FALSE(ignored({"a/logs"}, "b/a/logs/x"));
}

TEST_CASE("a slash at the end is for directories") {
  CHECK(ignored({"tmp/"}, "tmp/"));
  CHECK(ignored({"tmp/"}, "a/tmp/file"));
  CHECK_FALSE(ignored({"tmp/"}, "tmp"));
  CHECK_FALSE(ignored({"tmp/"}, "a/tmp"));
}

TEST_CASE("* and ? stay within a name") {
  CHECK(ignored({"*.log"}, "a/b/x.log"));
  CHECK(ignored({"*.log"}, ".log"));
  CHECK_FALSE(ignored({"*.log"}, "x.logs"));
  CHECK(ignored({"src/*.js"}, "src/a.js"));
  CHECK_FALSE(ignored({"src/*.js"}, "src/a/b.js"));
  CHECK(ignored({"?.js"}, "a.js"));
  CHECK_FALSE(ignored({"?.js"}, "ab.js"));
  CHECK_FALSE(ignored({"a?b"}, "a/b"));
  CHECK(ignored({"*a*b*c"}, "xxaxxbxxbxxc"));
}

TEST_CASE("** does not stay within a name") {
  CHECK(ignored({"**/logs"}, "logs/x"));
  CHECK(ignored({"**/logs"}, "a/b/logs/x"));
  CHECK(ignored({"**/a/*.log"}, "x/y/a/b.log"));
  CHECK(ignored({"a/**/b"}, "a/b"));
  CHECK(ignored({"a/**/b"}, "a/x/y/b"));
  CHECK_FALSE(ignored({"a/**/b"}, "a/xb"));
  CHECK_FALSE(ignored({"a/**/b"}, "xa/b"));
  CHECK(ignored({"a/**"}, "a/x"));
  CHECK(ignored({"a/**"}, "a/x/y"));
  CHECK_FALSE(ignored({"a/**"}, "a/"));
  CHECK(ignored({"**"}, "x/y"));
  CHECK(ignored({"**.log"}, "x/y.log"));
  CHECK(ignored({"**/node_modules/**"}, "x/node_modules/y"));
}

TEST_CASE("classes") {
  CHECK(ignored({"[ab].js"}, "a.js"));
  CHECK_FALSE(ignored({"[ab].js"}, "c.js"));
  CHECK(ignored({"[!ab].js"}, "c.js"));
  CHECK(ignored({"[^ab].js"}, "c.js"));
  CHECK_FALSE(ignored({"a[!x]b"}, "a/b"));
  CHECK(ignored({"v[0-9].js"}, "v7.js"));
  CHECK(ignored({"[[:digit:]_]x"}, "5x"));
  CHECK(ignored({"[[:digit:]_]x"}, "_x"));
  CHECK(ignored({"[]-]x"}, "]x"));
  CHECK(ignored({"[]-]x"}, "-x"));
  CHECK(ignored({"[\\]]x"}, "]x"));
  CHECK(ignored({"a[b"}, "a[b"));
  CHECK(ignored({"[\x80-\xff]"}, "\xc3"));
}

TEST_CASE("a backslash takes the meaning away") {
  CHECK(ignored({"a\\*b"}, "a*b"));
  CHECK_FALSE(ignored({"a\\*b"}, "axb"));
  CHECK(ignored({"\\!x"}, "!x"));
  CHECK(ignored({"#x"}, "#x"));
}

TEST_CASE("the last one wins, and ! takes back, but not below an ignored directory") {
  CHECK_FALSE(ignored({"*.log", "!keep.log"}, "keep.log"));
  CHECK(ignored({"*.log", "!keep.log", "keep.*"}, "keep.log"));
  CHECK(ignored({"logs", "!logs/keep.log"}, "logs/keep.log"));
  CHECK_FALSE(ignored({"logs/*", "!logs/keep.log"}, "logs/keep.log"));
  CHECK(ignored({"logs/*", "!logs/keep.log"}, "logs/other.log"));
}

TEST_CASE("pm2's habits: paths") {
  CHECK(ignored({"./logs"}, "logs/x"));
  CHECK_FALSE(ignored({"./logs"}, "a/logs/x"));
  CHECK(ignored({"./logs/"}, "logs/x"));
  CHECK(ignored({"/srv/app/public/uploads"}, "public/uploads/x.png"));
  CHECK_FALSE(ignored({"/srv/app/public/uploads"}, "x/public/uploads/x.png"));
  CHECK(ignored({"!/srv/app/x", "x"}, "x"));
  CHECK(ignored({"data/.*"}, "data/x.db"));
  CHECK(ignored({".*"}, "src/.env"));
  CHECK_FALSE(ignored({".*"}, "src/env"));
  CHECK_FALSE(ignored({"", "/", "./"}, "src/env"));
}

TEST_CASE("pm2's habits: braces") {
  CHECK(ignored({"*.{log,tmp}"}, "a/x.tmp"));
  CHECK(ignored({"**/*.{log,{db,sqlite}}"}, "a/x.sqlite"));
  CHECK_FALSE(ignored({"*.{log,tmp}"}, "a/x.js"));
  CHECK(ignored({"{a}"}, "{a}"));
  CHECK(ignored({"{a,b"}, "{a,b"));
  std::string many;
  for (int i = 0; i < 30; ++i) many += "{a,b}";
  CHECK_FALSE(ignored({many}, "x"));
}

TEST_CASE("pm2's habits: regular expressions") {
  const std::string documented = "[\\/\\\\]\\./";
  CHECK(ignored({documented}, ".git/config"));
  CHECK(ignored({documented}, "src/.env"));
  CHECK_FALSE(ignored({documented}, "src/app.js"));
  const std::string default_of_pm2 = "[\\/\\\\]\\.|node_modules";
  CHECK(ignored({default_of_pm2}, ".env"));
  CHECK(ignored({default_of_pm2}, "x/node_modules/y"));
  CHECK_FALSE(ignored({default_of_pm2}, "src/app.js"));
  CHECK(ignored({"\\.git"}, ".git/HEAD"));
  CHECK(ignored({"\\.log"}, "a/x.log"));
  CHECK_FALSE(ignored({"\\.log"}, "a/xlog"));
  CHECK(ignored({"\\.log$"}, "a/x.log"));
  CHECK_FALSE(ignored({"\\.log$"}, "a/x.log.js"));
  CHECK(ignored({"^logs"}, "logs/x"));
  CHECK_FALSE(ignored({"^logs"}, "a/logs/x"));
  CHECK(ignored({"^/logs/"}, "logs/x"));
  CHECK(ignored({"data\\/.*\\.db$"}, "x/data/y/z.db"));
  CHECK(ignored({"upload\\d+"}, "upload17/x"));
  CHECK_FALSE(ignored({"upload\\d+"}, "uploads/x"));
  CHECK(ignored({"[\\w-]+\\.tmp$"}, "a-b.tmp"));
}

TEST_CASE("what is not understood is told") {
  CHECK(problem("(a|b)") ==
        "ignore pattern '(a|b)' looks like a regular expression, and ( in it is not understood; "
        "write it as in .gitignore");
  CHECK(problem("a{2}\\.js").find("{ in it") != std::string::npos);
  CHECK(problem("\\bx\\.js").find("\\b in it") != std::string::npos);
  CHECK(problem("[\\/").find("a class that is not closed") != std::string::npos);
  CHECK(problem("*\\.js").find("* in it") != std::string::npos);
  CHECK(problem("*.js").empty());
  IgnorePatterns patterns("/");
  patterns.add("x(|y");
  CHECK_FALSE(patterns.ignores("y", false));
}

TEST_CASE("what a watch ignores") {
  const auto plain = IgnorePatterns::of_watch("/srv/app/", std::nullopt, {});
  for (const char* const path :
       {".git/HEAD", "x/node_modules/y.js", ".x.js.swp", "x.js~", "4913", "#x#", ".env"}) {
    CAPTURE(path);
    CHECK(plain.ignores(path, false));
  }
  CHECK_FALSE(plain.ignores("src/app.js", false));

  const auto listed = IgnorePatterns::of_watch("/srv/app", Patterns{"logs", "!.git"}, {});
  CHECK(listed.ignores("logs/x", false));
  CHECK_FALSE(listed.ignores(".env", false));
  CHECK_FALSE(listed.ignores(".git/HEAD", false));
  CHECK(listed.ignores("node_modules/x", false));
}

TEST_CASE("our own files are ignored, whatever the patterns") {
  const auto patterns = IgnorePatterns::of_watch(
      "/srv/app", Patterns{"!*"}, {"/srv/app/out/[api].log", "/var/log/x.log", "/srv/application"});
  CHECK(patterns.ignores("out/[api].log", false));
  CHECK(patterns.ignores("out/[api].log.2.gz", false));
  CHECK_FALSE(patterns.ignores("out/a.log", false));
  CHECK_FALSE(patterns.ignores("lication", false));
  CHECK(IgnorePatterns::of_watch("/", {}, {"/var/log/x.log"}).ignores("var/log/x.log", false));
}

TEST_CASE("patterns that are costly elsewhere cost little") {
  const std::string path(4000, 'a');
  std::string glob, regex = "\\.|";
  for (int i = 0; i < 60; ++i) {
    glob += "a*";
    regex += ".*a";
  }
  CHECK_FALSE(ignored({glob + "b"}, path));
  // Elsewhere this would never come to an end.
  CHECK_FALSE(ignored({regex + "b$"}, path));
}

TEST_CASE("an own directory, with everything in it") {
  IgnorePatterns patterns("/srv/app");
  patterns.add_file("/srv/app/.pmx/");
  patterns.add_file("/srv/app/");
  patterns.add_file("/srv/");
  CHECK(patterns.ignores(".pmx", true));
  CHECK(patterns.ignores(".pmx/logs", true));
  CHECK(patterns.ignores(".pmx/logs/app-out.log", false));
  CHECK_FALSE(patterns.ignores(".pmx2", true));
  CHECK_FALSE(patterns.ignores(".pmx", false));
  CHECK_FALSE(patterns.ignores("src", true));
}

TEST_CASE("any pattern is read, or told") {
  constexpr std::string_view kCharacters = "[]{}*?!\\/|^$.,:-+()dwab";
  std::mt19937 random(4711);
  for (int round = 0; round < 20'000; ++round) {
    std::string pattern, path;
    for (int i = 0; i < 12; ++i) pattern += kCharacters[random() % kCharacters.size()];
    for (int i = 0; i < 6; ++i) path += kCharacters[random() % kCharacters.size()];
    IgnorePatterns patterns("/srv/app");
    patterns.add(pattern);
    (void)patterns.ignores(path, false);
  }
}
