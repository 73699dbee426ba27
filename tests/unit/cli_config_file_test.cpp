#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/config/config_file.h"
#include "cli/config/javascript_reader.h"
#include "common/base/error.h"
#include "tests/unit/config_test_directory.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;
using test::Directory;

Env own_path() {
  const char* path = std::getenv("PATH");
  return {{"PATH", path == nullptr ? "" : path}};
}

std::string problem(const std::string& path) {
  try {
    read_config_file(path, own_path());
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

TEST_CASE("files that cannot be read") {
  const Directory directory;
  CHECK(problem(directory / "none.json") == directory / "none.json" + " does not exist");
  CHECK(problem(directory / "none.config.js") == directory / "none.config.js" + " does not exist");
  std::filesystem::create_directories(directory / "dir.json");
  CHECK(problem(directory / "dir.json").starts_with("cannot read " + (directory / "dir.json")));
  CHECK(problem(directory.file("conf.json.d/apps", "[]")).find("no format") != std::string::npos);
  CHECK(
      problem(directory.file("large.json", std::string(5 << 20, ' '))).find("larger than 4 MiB") !=
      std::string::npos);
}

TEST_CASE("JavaScript: what a file may export") {
  const Directory directory;
  const Json apps = {{"apps", {{{"script", "a.js"}}}}};
  struct Row {
    const char* name;
    const char* text;
  };
  for (const Row& row : {
           Row{"1.config.js", "module.exports = {apps: [{script: 'a.js'}]}"},
           Row{"2.config.cjs", "exports.apps = [{script: 'a.js', name: undefined}]"},
           Row{"3.config.mjs", "export default {apps: [{script: 'a.js'}]}"},
           Row{"4.config.mjs", "export const apps = [{script: 'a.js'}]"},
           Row{"5.config.js", "module.exports = () => ({apps: async () => [{script: 'a.js'}]})"},
           Row{"6.config.mjs", "export default Promise.resolve({apps: [{script: 'a.js'}]})"},
           Row{"7.config.js",
               "Object.defineProperty(exports, '__esModule', {value: true});"
               "exports.default = {apps: [{script: 'a.js'}]}"},
           Row{"8.config.cjs",
               "setInterval(() => {}, 1000); console.log('{\"value\": 1}'); "
               "process.stdout.write('x');"
               "module.exports = {apps: [{script: require('./name').name}]}"},
       }) {
    CAPTURE(row.name);
    directory.file("name.js", "exports.name = 'a.js'");
    CHECK(read_config_file(directory.file(row.name, row.text), own_path()).root == apps);
  }
  CHECK(read_config_file(directory.file("pkg/9.config.js", "module.exports = [process.cwd()]"),
                         own_path())
            .root == Json::array({std::filesystem::current_path().string()}));
}

TEST_CASE("JavaScript: what is wrong has a place") {
  const Directory directory;
  const auto of = [&](const std::string& name, const std::string& text) {
    const std::string path = directory.file(name, text);
    const std::string said = problem(path);
    CHECK(said.starts_with(path + ":"));
    return said.substr(path.size() + 1);
  };
  CHECK(of("a.config.js", "\n\nthrow new Error('broken')") == "3: Error: broken");
  CHECK(of("b.config.mjs", "\nawait null;\nnothing.there") ==
        "3: ReferenceError: nothing is not defined");
  CHECK(of("c.config.js", "\nmodule.exports = {,}") == "2: SyntaxError: Unexpected token ','");
  CHECK(of("d.config.mjs", "\n\nexport default {,}") == "3: SyntaxError: Unexpected token ','");
  directory.file("lib.js", "\nnull.x");
  CHECK(
      of("e.config.js", "require('./lib')").starts_with(" " + (directory / "lib.js:2: TypeError")));
  CHECK(of("f.config.js", "throw 'text'") == " it throws text");
  CHECK(of("g.config.js", "module.exports = {apps: [{script() {}}]}") ==
        " apps[0].script is a function; only data can be configured");
  CHECK(of("h.config.js", "const a = {}; a.apps = [a]; module.exports = a").find("holds itself") !=
        std::string::npos);
  CHECK(of("i.config.js", "module.exports = {apps: [{env: {A: NaN}}]}") ==
        " apps[0].env.A is NaN, no number of JSON");
  CHECK(of("j.config.js", "module.exports = {apps: [{name: '\\ud800'}]}").find("surrogate") !=
        std::string::npos);
  CHECK(of("k.config.js", "process.exit(3)").find("ended with exit code 3") != std::string::npos);
  CHECK(of("l.config.js", "process.kill(process.pid, 9)").find("killed by signal 9") !=
        std::string::npos);
  CHECK(of("m.config.js", "module.exports = new Promise(() => {})").find("exit code") !=
        std::string::npos);
  CHECK(of("n.config.js", "module.exports = ['x'.repeat(5e6)]") == " it exports more than 4 MiB");
  CHECK(of("o.config.js", "module.exports = 10n").find("the export is a bigint") !=
        std::string::npos);
}

TEST_CASE("JavaScript: no node, and no end") {
  const Directory directory;
  const std::string endless = directory.file("a.config.js", "for (;;);");
  CHECK_THROWS_WITH_AS(read_javascript(endless, {{"PATH", directory.path()}}),
                       doctest::Contains("there is no node on PATH"), Error);
  CHECK_THROWS_WITH_AS(read_javascript(endless, own_path(), std::chrono::milliseconds(300)),
                       doctest::Contains("not evaluated within 0.3 s"), Error);
}

}  // namespace
}  // namespace pmx::cli
