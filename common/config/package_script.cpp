#include "common/config/package_script.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "common/config/package_json.h"
#include "common/config/words.h"
#include "common/model/door.h"

namespace pmx {
namespace {

namespace fs = std::filesystem;

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "NAME=value", as before a command of a shell.
bool is_assignment(std::string_view word) {
  const std::size_t end = word.find('=');
  if (end == std::string_view::npos || end == 0) return false;
  if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(end), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

bool needs_shell(std::string_view command) {
  return command.find_first_of("|&;<>()$`\\*?[]{}~#!\n") != std::string_view::npos;
}

std::optional<std::string> existing_file(const fs::path& path) {
  for (const char* ending : {"", ".js", ".cjs", ".mjs"}) {
    const std::string name = path.lexically_normal().string() + ending;
    std::error_code error;
    if (fs::is_regular_file(name, error)) return name;
  }
  return package_entry(path.string());
}

bool is_node_script(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line.starts_with("#!") && line.find("node") != std::string::npos;
}

// A program of one of the package's dependencies: "next", "nest", ...
std::optional<std::string> dependency_program(const fs::path& directory, const std::string& name) {
  if (name.find('/') != std::string::npos) return std::nullopt;
  std::error_code error;
  const fs::path file = fs::canonical(directory / "node_modules" / ".bin" / name, error);
  if (error || !is_node_script(file)) return std::nullopt;
  return file.string();
}

// Moves node's options from `words`, which begin after "node". False: it runs no file.
bool take_node_options(std::vector<std::string>& words, std::vector<std::string>& options) {
  constexpr std::array<std::string_view, 7> kWithValue{
      "-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"};
  constexpr std::array<std::string_view, 8> kNoFile{"-e",     "--eval",  "-p",    "--print",
                                                    "--test", "--watch", "--run", "-"};
  std::size_t i = 0;
  for (; i < words.size() && words[i].starts_with('-'); ++i) {
    if (is_one_of(kNoFile, words[i])) return false;
    options.push_back(words[i]);
    if (is_one_of(kWithValue, words[i]) && i + 1 < words.size()) options.push_back(words[++i]);
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i));
  return !words.empty();
}

}  // namespace

std::optional<PackageRun> package_run(const std::vector<std::string>& words) {
  constexpr std::array<std::string_view, 3> kRunners{"npm", "yarn", "pnpm"};
  if (words.size() < 2) return std::nullopt;
  const std::string runner = words[0].substr(words[0].rfind('/') + 1);
  if (!is_one_of(kRunners, runner)) return std::nullopt;
  PackageRun run{runner, words[1], {}};
  std::size_t next = 2;
  if (words[1] == "run" || words[1] == "run-script") {
    if (words.size() < 3) return std::nullopt;
    run.script = words[2];
    next = 3;
  } else if (words[1] != "start" && runner == "npm") {
    return std::nullopt;
  }
  if (run.script.starts_with('-')) return std::nullopt;  // options of the runner
  run.words.assign(words.begin() + static_cast<std::ptrdiff_t>(next), words.end());
  const auto separator = std::find(run.words.begin(), run.words.end(), "--");
  const bool only_after = runner == "npm";
  if (separator != run.words.end()) {
    run.words.erase(only_after ? run.words.begin() : separator, separator + 1);
  } else if (only_after && !run.words.empty()) {
    return std::nullopt;  // npm's own options
  }
  return run;
}

std::optional<NodeProgram> resolve_package_run(const PackageRun& run, const std::string& cwd,
                                               const std::string& path) {
  const auto package = nearest_package(cwd);
  if (!package) return std::nullopt;
  const auto script = package->scripts.find(run.script);
  if (script == package->scripts.end() || package->scripts.contains("pre" + run.script) ||
      needs_shell(script->second))
    return std::nullopt;

  NodeProgram program;
  program.directory = package->directory;
  program.env = {
      {"PATH", package->directory + "/node_modules/.bin" + (path.empty() ? "" : ":") + path},
      {"npm_lifecycle_event", run.script},
      {"npm_lifecycle_script", script->second},
      {"npm_package_json", package->directory + "/package.json"},
      {"npm_package_name", package->name},
      {"npm_package_version", package->version}};
  std::vector<std::string> words = split_words(script->second);
  if (!words.empty() && words.front() == "cross-env") words.erase(words.begin());
  while (!words.empty() && is_assignment(words.front())) {
    const std::size_t end = words.front().find('=');
    program.env[words.front().substr(0, end)] = words.front().substr(end + 1);
    words.erase(words.begin());
  }
  if (words.empty()) return std::nullopt;
  const std::string first = words.front();
  words.erase(words.begin());
  std::optional<std::string> file;
  if (is_node(first)) {
    if (!take_node_options(words, program.interpreter_args)) return std::nullopt;
    file = existing_file(fs::path(package->directory) / words.front());
    words.erase(words.begin());
  } else {
    file = dependency_program(package->directory, first);
  }
  if (!file) return std::nullopt;
  program.file = *file;
  program.args = std::move(words);
  program.args.insert(program.args.end(), run.words.begin(), run.words.end());
  return program;
}

}  // namespace pmx
