#include <doctest/doctest.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "common/base/error.h"
#include "common/config/elf_kind.h"
#include "common/config/launch.h"
#include "common/config/node_version.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using test::Directory;
using Words = std::vector<std::string>;

// A world with its own PATH: nothing installed on the machine matters.
struct World {
  Directory directory;
  Words programs;

  World(std::initializer_list<const char*> names) {
    std::filesystem::create_directories(directory / "bin");
    for (const char* name : names) directory.program("bin/" + std::string(name));
  }
  [[nodiscard]] std::string bin(const std::string& name) const { return directory / "bin/" + name; }

  [[nodiscard]] LaunchRequest request(const std::string& target) const {
    LaunchRequest request;
    request.target = target;
    request.current_dir = directory.path();
    request.environment = {{"PATH", directory / "bin"}, {"HOME", "/home/me"}, {"USER", "me"}};
    return request;
  }
  [[nodiscard]] AppSpec spec(const std::string& target) const {
    return make_app_spec(request(target));
  }
};

struct Refusal {
  std::string message;
  std::string hint;
};
Refusal refusal(const LaunchRequest& request) {
  try {
    make_app_spec(request);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return {error.what(), error.hint()};
  }
  return {"accepted", ""};
}
bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("\"", text, "\" lacks \"", part, "\"");
  return found;
}

const std::string kElf(
    "\x7f"
    "ELF\x02\x01\x01\0\0\0",
    10);

TEST_CASE("the extension decides, whatever else the file says") {
  const World world{"node", "bash", "sh", "python3", "python", "ruby", "perl", "php", "bun"};
  struct Row {
    const char* file;
    const char* interpreter;
  };
  for (const Row& row :
       {Row{"a.js", "node"}, Row{"a.cjs", "node"}, Row{"a.mjs", "node"}, Row{"a.JS", "node"},
        Row{"a.sh", "bash"}, Row{"a.py", "python3"}, Row{"a.rb", "ruby"}, Row{"a.pl", "perl"},
        Row{"a.php", "php"}, Row{"a.ts", "bun"}, Row{"a.tsx", "bun"}}) {
    CAPTURE(row.file);
    const std::string path = world.directory.program(row.file, "#!/bin/other\n");
    const AppSpec spec = world.spec(row.file);
    CHECK(spec.interpreter == row.interpreter);
    CHECK(spec.interpreter_path == world.bin(row.interpreter));
    CHECK(spec.script == path);
    CHECK(argv_of(spec) == Words{world.bin(row.interpreter), path});
    CHECK(program_of(spec) == world.bin(row.interpreter));
  }
}

TEST_CASE("second choices, and what to install") {
  const World world{"sh", "python"};
  world.directory.file("a.sh", "");
  world.directory.file("a.py", "");
  world.directory.file("a.rb", "");
  CHECK(world.spec("a.sh").interpreter == "sh");
  CHECK(world.spec("a.py").interpreter == "python");
  const Refusal no_ruby = refusal(world.request("a.rb"));
  CHECK(contains(no_ruby.message, world.directory / "a.rb"));
  CHECK(contains(no_ruby.message, "ruby is not on PATH"));
  CHECK(contains(no_ruby.hint, "--interpreter"));
}

TEST_CASE("TypeScript needs bun or a Node that strips types") {
  const World world{};
  world.directory.file("a.ts", "");
  CHECK(contains(refusal(world.request("a.ts")).hint, "install bun, or Node.js 22.18"));
  world.directory.program("bin/node", "#!/bin/sh\necho v20.20.2\n");
  const Refusal old = refusal(world.request("a.ts"));
  CHECK(contains(old.message, "20.20 cannot run TypeScript"));
  CHECK(contains(old.hint, "install bun"));
  world.directory.program("bin/node", "#!/bin/sh\necho v22.18.0\n");
  CHECK(world.spec("a.ts").interpreter == "node");
  world.directory.program("bin/node", "#!/bin/sh\nexit 1\n");
  CHECK(contains(refusal(world.request("a.ts")).message, "unknown version"));
}

TEST_CASE("versions of Node that strip types") {
  struct Row {
    const char* text;
    bool strips;
  };
  for (const Row& row : {Row{"v22.18.0\n", true}, Row{"v22.17.9", false}, Row{"v23.5.0", false},
                         Row{"v23.6.0", true}, Row{"v24.0.0", true}, Row{"v20.99.0", false},
                         Row{"", false}, Row{"24.1", false}}) {
    CAPTURE(row.text);
    CHECK(parse_node_version(row.text).strips_types() == row.strips);
  }
}

TEST_CASE("without a known extension the shebang, the content and the execute bit decide") {
  const World world{"node", "python3"};
  const Directory& files = world.directory;
  const std::string script = files.program("run", "#!/usr/bin/env python3\nprint(1)\n");
  CHECK(world.spec("run").interpreter == "none");
  CHECK(world.spec("./run").interpreter_path.empty());
  CHECK(argv_of(world.spec("run")) == Words{script});
  CHECK(program_of(world.spec("run")) == script);
  CHECK(world.spec("run").env.at("PYTHONUNBUFFERED") == "1");
  files.program("run.2", "#!/bin/sh\n");
  CHECK(world.spec("run.2").interpreter == "none");
  CHECK(world.spec("run.2").env.count("PYTHONUNBUFFERED") == 0);

  files.file("run-later", "#!/bin/sh\n");
  const Refusal not_executable = refusal(world.request("run-later"));
  CHECK(contains(not_executable.message, "run-later is a script with a \"#!\" line, but not exec"));
  CHECK(contains(not_executable.hint, "chmod +x " + files.path() + "/run-later"));

  files.program("server", kElf);
  CHECK(world.spec("server").interpreter == "none");
  files.file("server2", kElf);
  CHECK(contains(refusal(world.request("server2")).message, "is a program, but not executable"));
  CHECK(contains(refusal(world.request("server2")).hint, "chmod +x"));
  files.file("bytes", std::string("a\0b", 3));
  CHECK(contains(refusal(world.request("bytes")).hint, "chmod +x"));

  files.file("text", "console.log('grüße')\n");
  CHECK(world.spec("text").interpreter == "node");
  files.program("text-x", "console.log(1)\n");
  CHECK(world.spec("text-x").interpreter == "node");
  const World without_node{};
  without_node.directory.file("text", "console.log(1)\n");
  CHECK(contains(refusal(without_node.request("text")).hint, "--interpreter"));
}

TEST_CASE("the interpreter as wished") {
  const World world{"python3", "node"};
  const Directory& files = world.directory;
  files.file("a.js", "");
  files.program("venv/bin/python", "#!/bin/sh\n");
  LaunchRequest request = world.request("a.js");

  request.interpreter = "python3";
  request.options.interpreter_args = {"-u", "-B"};
  request.options.args = {"x", "y z"};
  AppSpec spec = make_app_spec(request);
  CHECK(spec.interpreter == "python3");
  CHECK(argv_of(spec) == Words{world.bin("python3"), "-u", "-B", files / "a.js", "x", "y z"});
  CHECK(command_of(spec).first == world.bin("python3"));

  request.interpreter = "venv/bin/python";
  CHECK(make_app_spec(request).interpreter_path == files / "venv/bin/python");
  CHECK(make_app_spec(request).env.at("PYTHONUNBUFFERED") == "1");
  request.env["PYTHONUNBUFFERED"] = "";
  CHECK(make_app_spec(request).env.at("PYTHONUNBUFFERED").empty());

  request.interpreter = "pythn";
  CHECK(contains(refusal(request).message, "interpreter \"pythn\" is not on PATH"));
  request.interpreter = "venv/nothing";
  CHECK(contains(refusal(request).message, "is not an executable file"));
  request.interpreter = "node@22";
  CHECK(contains(refusal(request).hint, "path of that version's node"));
  request.interpreter = "none";
  CHECK(contains(refusal(request).hint, "chmod +x"));
  files.program("a.js", "text");
  CHECK(contains(refusal(request).message, "without a \"#!\" line"));
  files.program("a.js", "#!/usr/bin/env node\n");
  CHECK(argv_of(make_app_spec(request)) == Words{files / "a.js", "x", "y z"});
}

TEST_CASE("cwd: scripts and logs are relative to it") {
  const World world{"node"};
  world.directory.file("app/server.js", "");
  LaunchRequest request = world.request("server.js");
  CHECK(contains(refusal(request).message, (world.directory / "server.js") + " does not exist"));
  request.cwd = "app";
  request.options.out_file = "log/out.log";
  request.options.error_file = "~/err.log";
  const AppSpec spec = make_app_spec(request);
  CHECK(spec.cwd == world.directory / "app");
  CHECK(spec.script == world.directory / "app/server.js");
  CHECK(spec.out_file == world.directory / "app/log/out.log");
  CHECK(spec.error_file == "/home/me/err.log");
  request.options.out_file = "NULL";
  request.options.error_file = "/dev/null";
  CHECK(make_app_spec(request).out_file == "/dev/null");
  CHECK(make_app_spec(request).error_file == "/dev/null");
  request.cwd = "nowhere";
  CHECK(contains(refusal(request).message, (world.directory / "nowhere") + " does not exist"));
  request.cwd = "app/server.js";
  CHECK(contains(refusal(request).message, "server.js is not a directory"));
}

TEST_CASE("words are looked up on PATH, files come first") {
  const World world{"node"};
  world.directory.program("bin/sleep", kElf);
  const AppSpec spec = world.spec("sleep");
  CHECK(spec.script == world.bin("sleep"));
  CHECK(spec.name == "sleep");
  CHECK(spec.interpreter == "none");
  world.directory.file("sleep", "console.log(1)");
  CHECK(world.spec("sleep").script == world.directory / "sleep");
  const Refusal unknown = refusal(world.request("slep"));
  CHECK(contains(unknown.message, "no program \"slep\" is on PATH"));
  CHECK(refusal(world.request("./slep")).message == (world.directory / "slep") + " does not exist");
  CHECK(contains(refusal(world.request("  ")).message, "no script"));
}

TEST_CASE("a text with a blank that is no file is a shell command") {
  const World world{"bash", "sh", "node"};
  AppSpec spec = world.spec("echo $HOME && sleep 5");
  CHECK(spec.shell);
  CHECK(spec.interpreter == "bash");
  CHECK(spec.name == "echo $HOME && sleep 5");
  CHECK(argv_of(spec) == Words{world.bin("bash"), "-c", "echo $HOME && sleep 5"});
  spec.args = {"x y"};
  CHECK(argv_of(spec) == Words{world.bin("bash"), "-c", spec.script, "bash", "x y"});
  CHECK(world.spec("/usr/bin/node a.js").name == "node a");

  world.directory.file("my app.js", "");
  CHECK_FALSE(world.spec("my app.js").shell);
  CHECK(world.spec("my app.js").name == "my app");

  LaunchRequest wished = world.request("no such.js");
  wished.interpreter = "node";
  CHECK(contains(refusal(wished).message, "no such.js does not exist"));
  const World bare{};
  CHECK(contains(refusal(bare.request("echo 1")).message, "bash or sh"));
}

TEST_CASE("a directory is a Node package") {
  const World world{"node"};
  const Directory& files = world.directory;
  std::filesystem::create_directories(files / "empty");
  CHECK(contains(refusal(world.request("empty")).message, "empty is a directory without"));
  files.file("plain/index.js", "");
  CHECK(world.spec("plain/").script == files / "plain/index.js");
  CHECK(world.spec("plain").name == "plain");
  files.file("package/package.json", R"({"main": "./lib/server", "version": "1.2.3"})");
  files.file("package/lib/server.js", "");
  CHECK(world.spec("package").script == files / "package/lib/server.js");
  CHECK(world.spec("package").version == "1.2.3");
  files.file("package/index.js", "");
  files.file("package/package.json", "broken");
  CHECK(world.spec("package").script == files / "package/index.js");
  CHECK(world.spec("package").version.empty());
}

TEST_CASE("the version is that of the nearest package.json") {
  const World world{"node"};
  world.directory.file("package.json", R"({"version": "1.0.0"})");
  world.directory.file("a/b/x.js", "");
  CHECK(world.spec("a/b/x.js").version == "1.0.0");
  world.directory.file("a/package.json", R"({"version": "2.0.0"})");
  CHECK(world.spec("a/b/x.js").version == "2.0.0");
}

// The head of a program without an interpreter of its own.
std::string static_program() {
  Elf64_Ehdr header{};
  std::memcpy(static_cast<void*>(header.e_ident), ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phentsize = sizeof(Elf64_Phdr);
  return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

TEST_CASE("which programs load a preload library") {
  const World world{};
  const auto kind = [](const std::string& path) { return program_kind(path, ::getuid()); };
  CHECK(kind("/bin/sh") == ProgramKind::loads_libraries);
  CHECK(kind("/no/such/file") == ProgramKind::unknown);
  std::string other_class = static_program();
  other_class[EI_CLASS] = ELFCLASS32;
  CHECK(kind(world.directory.program("32-bit", other_class)) == ProgramKind::is_other_class);

  const std::string fixed = world.directory.program("static", static_program());
  CHECK(kind(fixed) == ProgramKind::is_static);
  CHECK(kind(world.directory.program("of-sh", "#!/bin/sh -e\n")) == ProgramKind::loads_libraries);
  const std::string script = world.directory.program("of-static", "#! " + fixed + " -x\n");
  CHECK(kind(script) == ProgramKind::is_static);
  CHECK(kind(world.directory.program("of-script", "#!" + script)) == ProgramKind::is_static);
  CHECK(kind(world.directory.program("of-none", "#!\n")) == ProgramKind::unknown);
  const std::string loop = world.directory.program("loop", "");
  world.directory.program("loop", "#!" + loop + "\n");
  CHECK(kind(loop) == ProgramKind::unknown);

  // A bit that gives nothing to its own user does give it to another.
  REQUIRE(::chmod(fixed.c_str(), 04755) == 0);
  CHECK(kind(fixed) == ProgramKind::is_static);
  CHECK(program_kind(fixed, ::getuid() + 1) == ProgramKind::gains_privileges);
}

TEST_CASE("cluster and fork") {
  const World world{"node", "python3", "bash"};
  world.directory.file("a.sh", "");
  world.directory.program("static", static_program());
  world.directory.file("a.js", "");
  world.directory.file("a.py", "");
  struct Row {
    const char* target;
    std::optional<std::string> instances;
    std::optional<ExecMode> wish;
    ExecMode mode;
    int count;
  };
  constexpr ExecMode fork = ExecMode::fork;
  constexpr ExecMode cluster = ExecMode::cluster;
  for (const Row& row : {Row{"a.js", {}, {}, fork, 1}, Row{"a.js", "1", {}, cluster, 1},
                         Row{"a.js", "4", {}, cluster, 4}, Row{"a.js", "4", fork, fork, 4},
                         Row{"a.js", {}, cluster, cluster, 1}, Row{"a.py", "3", {}, cluster, 3},
                         Row{"a.py", {}, {}, fork, 1}, Row{"a.py", {}, cluster, cluster, 1},
                         Row{"a.sh", "2", {}, fork, 2}, Row{"a.sh", "2", cluster, cluster, 2},
                         Row{"static", "2", {}, fork, 2}}) {
    CAPTURE(row.target);
    LaunchRequest request = world.request(row.target);
    request.instances = row.instances;
    request.exec_mode = row.wish;
    const AppSpec spec = make_app_spec(request);
    CHECK(spec.exec_mode == row.mode);
    CHECK(spec.instances == row.count);
    CHECK(spec.instances_given == row.instances.has_value());
  }
  LaunchRequest unloadable = world.request("static");
  unloadable.exec_mode = cluster;
  CHECK(contains(refusal(unloadable).message, "statically linked"));
  LaunchRequest own = world.request("a.py");
  own.instances = "2";
  own.options.bind_via = BindVia::none;
  CHECK(make_app_spec(own).exec_mode == fork);
  LaunchRequest declared = world.request("a.py");
  declared.instances = "2";
  declared.options.listen = {"tcp:80"};
  CHECK(make_app_spec(declared).exec_mode == fork);
  LaunchRequest many = world.request("a.js");
  many.instances = "many";
  CHECK(contains(refusal(many).message, "\"many\""));
}

TEST_CASE("the environment is the caller's without what belongs to one process") {
  const World world{"node"};
  world.directory.file("a.js", "");
  LaunchRequest request = world.request("a.js");
  request.environment["name"] = "mine";
  request.environment["KEEP"] = "1";
  for (const char* name :
       {"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID", "NODE_APP_INSTANCE",
        "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "pm_id"}) {
    request.environment[name] = "7";
  }
  request.env = {{"KEEP", "2"}, {"NEW", "3"}};
  Env env = make_app_spec(request).env;
  CHECK(env == Env{{"HOME", "/home/me"},
                   {"KEEP", "2"},
                   {"NEW", "3"},
                   {"PATH", world.directory / "bin"},
                   {"USER", "me"},
                   {"name", "mine"}});
  request.environment["PMX_TOKEN"] = "0.1.uuid";
  request.environment["unique_id"] = "uuid";
  env = make_app_spec(request).env;
  CHECK(env.count("name") == 0);
  CHECK(env.count("PMX_TOKEN") == 0);
  CHECK(env.count("unique_id") == 0);
  // Pm2's trap 20: a variable is no attribute.
  request.env = {{"name", "x"}};
  CHECK(make_app_spec(request).name == "a");
  CHECK(make_app_spec(request).env.at("name") == "x");
}

TEST_CASE("options are taken over, the rest is worked out") {
  const World world{"node"};
  world.directory.file("a.js", "");
  LaunchRequest request = world.request("a.js");
  request.options.name = "web";
  request.options.name_space = "shop";
  request.options.kill_timeout = Millis(5);
  request.options.stop_exit_codes = {3};
  request.options.merge_logs = false;
  const AppSpec spec = make_app_spec(request);
  CHECK(spec.name == "web");
  CHECK(spec.name_space == "shop");
  CHECK(spec.kill_timeout == Millis(5));
  CHECK(spec.stop_exit_codes == std::vector<int>{3});
  CHECK(spec.merge_logs == false);
  CHECK(spec.user == "me");
  request.options.name = std::string(201, 'x');
  CHECK(contains(refusal(request).message, "201 bytes"));
  request.options.name = "a\nb";
  CHECK(contains(refusal(request).message, "control characters"));
}

TEST_CASE("default names") {
  struct Row {
    const char* target;
    const char* name;
  };
  for (const Row& row : {Row{"a.js", "a"}, Row{"/x/y.z/server.prod.js", "server.prod"},
                         Row{"/x/run", "run"}, Row{"/x/.hidden", ".hidden"}, Row{"/x/y/", "y"},
                         Row{"/", "/"}, Row{"npm start", "npm start"}}) {
    CAPTURE(row.target);
    CHECK(default_name(row.target) == row.name);
  }
  const World world{"sh"};
  const std::string longest = "echo " + std::string(190, 'a') + "éééééé";
  CHECK(world.spec(longest).name == longest.substr(0, 199));
}

TEST_CASE("interpreters of a saved list are found again") {
  const World world{"node"};
  AppSpec spec;
  spec.interpreter = "node";
  spec.cwd = world.directory.path();
  spec.env["PATH"] = world.directory / "bin";
  resolve_interpreter(spec);
  CHECK(spec.interpreter_path == world.bin("node"));
  spec.interpreter = "ruby";
  spec.interpreter_path.clear();
  CHECK_THROWS_AS(resolve_interpreter(spec), Error);
}

TEST_CASE("targets that are configuration files") {
  for (const char* target : {"apps.json", "a/ecosystem.config.js", "x.config.cjs", "x.config.mjs",
                             "p.yml", "p.yaml", "p.toml", "apps.json5", "my apps.json"}) {
    CAPTURE(target);
    CHECK(looks_like_config(target));
  }
  for (const char* target : {"app.js", "json", "-", "", "node app.js --config x.json -v"}) {
    CAPTURE(target);
    CHECK_FALSE(looks_like_config(target));
  }
}

TEST_CASE("targets that may be names of apps") {
  const Directory directory;
  const std::string file = directory.file("app.js", "");
  for (const char* target : {"web", "all", "my app", "api.v2", "@scope/app", "a/b"}) {
    CAPTURE(target);
    CHECK(looks_like_name(target));
  }
  for (const std::string& target : {std::string("3"), std::string("-1"), std::string("-"),
                                    std::string(""), std::string("/abs/x.js"), file}) {
    CAPTURE(target);
    CHECK_FALSE(looks_like_name(target));
  }
}

}  // namespace
}  // namespace pmx
