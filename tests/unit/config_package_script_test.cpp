#include <doctest/doctest.h>

#include <filesystem>

#include "common/config/launch.h"
#include "common/config/package_script.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using Words = std::vector<std::string>;

// The script that a call runs, and the words that it gets; "-": no call of a runner.
std::string call(const Words& words) {
  const auto run = package_run(words);
  if (!run) return "-";
  std::string text = run->script;
  for (const std::string& word : run->words) text += " " + word;
  return text;
}

struct Package {
  test::Directory directory;

  explicit Package(const std::string& scripts) {
    directory.file("package.json",
                   R"({"name": "shop", "version": "1.2.3", "scripts": )" + scripts + "}");
    directory.file("server.js", "");
    directory.file("lib/index.js", "");
    directory.program("node_modules/next/dist/bin/next", "#!/usr/bin/env node\n");
    directory.program("node_modules/native/run", "#!/bin/sh\n");
    std::filesystem::create_directories(directory / "node_modules/.bin");
    for (const auto& [name, file] :
         {std::pair{"next", "../next/dist/bin/next"}, {"native", "../native/run"}})
      std::filesystem::create_symlink(file, directory / "node_modules/.bin/" + name);
  }
  [[nodiscard]] std::optional<NodeProgram> resolve(const std::string& script,
                                                   const Words& words = {}) const {
    return resolve_package_run({"npm", script, words}, directory / "lib", "/usr/bin");
  }
};

}  // namespace

TEST_CASE("calls of package runners") {
  CHECK(call({"npm", "start"}) == "start");
  CHECK(call({"/usr/bin/npm", "run", "web"}) == "web");
  CHECK(call({"npm", "run-script", "web", "--", "-p", "80"}) == "web -p 80");
  CHECK(call({"yarn", "web", "-p", "80"}) == "web -p 80");
  CHECK(call({"pnpm", "run", "web", "--", "-p"}) == "web -p");
  CHECK(call({"npm"}) == "-");
  CHECK(call({"npm", "run"}) == "-");
  CHECK(call({"npm", "install"}) == "-");
  CHECK(call({"npm", "start", "--silent"}) == "-");
  CHECK(call({"yarn", "--cwd", "x"}) == "-");
  CHECK(call({"node", "start"}) == "-");
}

TEST_CASE("scripts that come down to a Node program") {
  const Package package(R"({
    "start": "node server.js", "named": "node server", "directory": "node ./lib --port 80",
    "options": "PORT=80 node -r ./a.js --inspect=0 server.js 'two words'",
    "cross": "cross-env NODE_ENV=production node .", "next": "next start -p 3000"})");
  const auto file = [&](const std::string& script) {
    const auto program = package.resolve(script);
    return program ? program->file.substr(package.directory.path().size() + 1) : "-";
  };
  CHECK(file("start") == "server.js");
  CHECK(file("named") == "server.js");
  CHECK(file("directory") == "lib/index.js");
  CHECK(file("next") == "node_modules/next/dist/bin/next");
  CHECK(file("cross") == "-");  // no index.js, no "main"
  CHECK(file("none") == "-");

  const auto program = package.resolve("options", {"more"});
  REQUIRE(program);
  CHECK(program->interpreter_args == Words{"-r", "./a.js", "--inspect=0"});
  CHECK(program->args == Words{"two words", "more"});
  CHECK(program->directory == package.directory.path());
  CHECK(program->env.at("PORT") == "80");
  CHECK(program->env.at("PATH") == package.directory / "node_modules/.bin:/usr/bin");
  CHECK(program->env.at("npm_lifecycle_event") == "options");
  CHECK(program->env.at("npm_package_version") == "1.2.3");
}

TEST_CASE("scripts that only a shell can run") {
  const Package package(R"({
    "two": "node a.js && node server.js", "variable": "node $FILE", "text": "node -e 1",
    "other": "python3 app.py", "native": "native", "gone": "node gone.js", "empty": "",
    "after": "node server.js", "preafter": "node build.js", "watch": "node --watch server.js"})");
  for (const char* script :
       {"two", "variable", "text", "other", "native", "gone", "empty", "after", "watch"}) {
    CAPTURE(script);
    CHECK_FALSE(package.resolve(script));
  }
}

TEST_CASE("npm start -i N") {
  const Package package(R"({"start": "node server.js 1", "build": "a && b"})");
  const test::Directory programs;
  for (const char* name : {"npm", "node", "bash"})
    std::filesystem::copy_file("/bin/true", programs / name);
  LaunchRequest request;
  request.current_dir = package.directory.path();
  request.environment = {{"PATH", programs.path()}};
  request.target = "npm";
  request.options.args = {"start", "--", "2"};

  AppSpec spec = make_app_spec(request);  // one process: as it is
  CHECK(spec.script == programs / "npm");

  request.instances = "4";
  spec = make_app_spec(request);
  CHECK(spec.name == "npm");
  CHECK(spec.script == package.directory / "server.js");
  CHECK(spec.args == Words{"1", "2"});
  CHECK(spec.exec_mode == ExecMode::cluster);
  CHECK(spec.interpreter == "node");
  CHECK(spec.bind_via == BindVia::automatic);
  CHECK(spec.cwd == package.directory.path());

  request.target = "npm run build";
  request.options.args.clear();
  spec = make_app_spec(request);
  CHECK(spec.name == "npm run build");
  CHECK(spec.shell);
  CHECK(spec.exec_mode == ExecMode::cluster);
  CHECK(spec.bind_via == BindVia::preload);

  request.options.bind_via = BindVia::none;
  CHECK(make_app_spec(request).exec_mode == ExecMode::fork);
}

}  // namespace pmx
