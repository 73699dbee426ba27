#include "common/config/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <optional>

#include "common/base/error.h"
#include "common/config/node_version.h"

namespace pmx {
namespace {

constexpr std::string_view kNone = "none";
constexpr std::string_view kPassInterpreter = "pass --interpreter PROGRAM";

[[noreturn]] void refuse(const std::string& message, std::string hint) {
  throw Error(ErrorCode::invalid_spec, message, std::move(hint));
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

std::string lower_extension(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  std::string extension(name.substr(dot + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

// The first candidate that is installed is taken.
struct ExtensionRow {
  std::string_view extension;
  std::array<std::string_view, 2> candidates;
};
constexpr std::array kExtensions{
    ExtensionRow{"js", {"node", "nodejs"}},    ExtensionRow{"cjs", {"node", "nodejs"}},
    ExtensionRow{"mjs", {"node", "nodejs"}},   ExtensionRow{"sh", {"bash", "sh"}},
    ExtensionRow{"py", {"python3", "python"}}, ExtensionRow{"rb", {"ruby", ""}},
    ExtensionRow{"pl", {"perl", ""}},          ExtensionRow{"php", {"php", ""}},
};

Interpreter named(std::string name, std::string path) {
  Interpreter interpreter{std::move(name), std::move(path), false};
  const std::string_view base = base_name(interpreter.name);
  interpreter.python = base.starts_with("python") || base.starts_with("pypy");
  return interpreter;
}

std::optional<Interpreter> first_installed(std::initializer_list<std::string_view> candidates,
                                           const ExecutableSearch& search) {
  for (const std::string_view candidate : candidates) {
    if (auto path = search.find(candidate)) return named(std::string(candidate), std::move(*path));
  }
  return std::nullopt;
}

Interpreter direct(const ScriptFile& file) {
  return {std::string(kNone), {}, file.shebang.find("python") != std::string::npos};
}

std::string chmod_hint(const std::string& script) {
  return fmt::format("run: chmod +x {}", script);
}

Interpreter for_typescript(const std::string& script, const ExecutableSearch& search) {
  if (auto bun = first_installed({"bun"}, search)) return *bun;
  const std::string cure = "install bun, or Node.js 22.18 or newer";
  auto node = first_installed({"node", "nodejs"}, search);
  if (!node) refuse(fmt::format("{}: nothing on PATH can run TypeScript", script), cure);
  const NodeVersion version = node_version(node->path);
  if (version.strips_types()) return *node;
  refuse(fmt::format("{}: {} {} cannot run TypeScript", script, node->path, version.text()), cure);
}

std::optional<Interpreter> by_extension(const std::string& script, const ExecutableSearch& search) {
  const std::string extension = lower_extension(script);
  if (extension == "ts" || extension == "tsx") return for_typescript(script, search);
  for (const ExtensionRow& row : kExtensions) {
    if (row.extension != extension) continue;
    if (auto found = first_installed({row.candidates[0], row.candidates[1]}, search)) return found;
    refuse(fmt::format("{}: its interpreter {} is not on PATH", script, row.candidates[0]),
           fmt::format("install {}, or {}", row.candidates[0], kPassInterpreter));
  }
  return std::nullopt;
}

}  // namespace

Interpreter choose_interpreter(const std::string& script, const ExecutableSearch& search) {
  if (auto found = by_extension(script, search)) return *found;
  const ScriptFile file = inspect_script(script);
  if (file.content != FileContent::text) {
    if (file.executable) return direct(file);
    const bool shebang = file.content == FileContent::shebang;
    refuse(fmt::format("{} is a {}, but not executable", script,
                       shebang ? "script with a \"#!\" line" : "program"),
           shebang ? fmt::format("{}, or {}", chmod_hint(script), kPassInterpreter)
                   : chmod_hint(script));
  }
  // pm2's users expect a text without any mark to be JavaScript.
  if (auto node = first_installed({"node", "nodejs"}, search)) return *node;
  refuse(fmt::format("{}: no known extension and no \"#!\" line tells what runs it", script),
         std::string(kPassInterpreter));
}

Interpreter wished_interpreter(const std::string& wish, const std::string& script,
                               const ExecutableSearch& search) {
  if (wish == kNone) {
    const ScriptFile file = inspect_script(script);
    if (!file.executable) {
      refuse(fmt::format("{} is not executable, and the interpreter is \"none\"", script),
             chmod_hint(script));
    }
    if (file.content == FileContent::text) {
      refuse(fmt::format("{} is a text without a \"#!\" line, and the interpreter is \"none\"",
                         script),
             fmt::format("add such a line, or {}", kPassInterpreter));
    }
    return direct(file);
  }
  if (wish.starts_with("node@")) {
    refuse(fmt::format("interpreter {}: versions of Node.js are not looked up", wish),
           "give the path of that version's node");
  }
  auto path = search.find(wish);
  const bool is_path = wish.find('/') != std::string::npos;
  if (!path) {
    refuse(fmt::format("interpreter \"{}\" {}", wish,
                       is_path ? "is not an executable file" : "is not on PATH"),
           "install it, or give its path");
  }
  return named(is_path ? *path : wish, *path);
}

Interpreter shell_interpreter(const ExecutableSearch& search) {
  if (auto shell = first_installed({"bash", "sh"}, search)) return *shell;
  refuse("a shell command needs bash or sh, and neither is on PATH", "install one of them");
}

}  // namespace pmx
