#include "cli/config/config_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <optional>
#include <string_view>
#include <system_error>

#include "cli/config/javascript_reader.h"
#include "cli/config/toml_reader.h"
#include "cli/config/yaml_reader.h"
#include "common/base/error.h"
#include "common/config/json_reader.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargest = std::size_t{4} << 20;
constexpr const char* kFormats =
    "configuration files are .json, .yaml, .yml, .toml, .config.js, .config.cjs or .config.mjs";

[[noreturn]] void fail(const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorCode::invalid_spec, what, hint);
}

void refuse_too_large(const std::string& name) {
  fail(fmt::format("{} is larger than {} MiB", name, kLargest >> 20),
       "is it a configuration file?");
}

std::string text_of_stdin() {
  std::string text;
  char buffer[65536];
  while (std::cin.read(buffer, sizeof buffer) || std::cin.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() > kLargest) refuse_too_large("standard input");
  }
  return text;
}

std::string text_of(const std::string& path) {
  try {
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored) && fs::file_size(path) > kLargest) {
      refuse_too_large(path);
    }
    const std::optional<std::string> text = sys::read_file(path);
    if (!text) fail(fmt::format("{} does not exist", path));
    return *text;
  } catch (const std::system_error& error) {
    fail(fmt::format("cannot read {}: {}", path, error.what()));
  }
}

// By its first character; where it could be both it means the same in both.
bool looks_like_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ||
         std::string_view("{[/").find(text[first]) != std::string_view::npos;
}

ConfigDocument read_stdin() {
  const std::string text = text_of_stdin();
  constexpr const char* kName = "standard input";
  return looks_like_json(text) ? read_json(text, kName) : read_yaml(text, kName);
}

}  // namespace

ConfigDocument read_config_file(const std::string& path, const Env& environment) {
  if (path == "-") return read_stdin();
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  const auto has = [name](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  };
  if (has(".json")) return read_json(text_of(path), path);
  if (has(".yaml") || has(".yml")) return read_yaml(text_of(path), path);
  if (has(".toml")) return read_toml(text_of(path), path);
  if (has(".config.js") || has(".config.cjs") || has(".config.mjs")) {
    return read_javascript(path, environment);
  }
  fail(fmt::format("{}: this is no format of configuration files", path), kFormats);
}

Ecosystem read_ecosystem(const std::string& path, const EcosystemContext& context) {
  return parse_ecosystem(read_config_file(path, context.environment), context);
}

}  // namespace pmx::cli
