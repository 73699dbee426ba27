#include "common/config/executable_search.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace pmx {
namespace {

constexpr std::size_t kInspectedBytes = 512;
constexpr std::string_view kElfMagic = "\177ELF";

bool is_program(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

// As pm2 has it: a zero, or more than a tenth of odd bytes. Bytes from 0x80 on are UTF-8 or
// Latin 1.
bool looks_binary(std::string_view bytes) {
  std::size_t odd = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return true;
    const bool control = byte < ' ' && std::strchr("\t\n\v\f\r\b\033", byte) == nullptr;
    if (control || byte == 0x7f) ++odd;
  }
  return odd * 10 > bytes.size();
}

}  // namespace

std::optional<std::string> ExecutableSearch::find(std::string_view name) const {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != std::string_view::npos) {
    std::string path = absolute_path(name, base_dir_);
    return is_program(path) ? std::optional(std::move(path)) : std::nullopt;
  }
  std::string_view rest = path_;
  for (;;) {
    const std::size_t colon = rest.find(':');
    const std::string_view entry = rest.substr(0, colon);
    std::string path =
        absolute_path(name, entry.empty() ? base_dir_ : absolute_path(entry, base_dir_));
    if (is_program(path)) return path;
    if (colon == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(colon + 1);
  }
}

ScriptFile inspect_script(const std::string& path) {
  ScriptFile script;
  script.executable = ::access(path.c_str(), X_OK) == 0;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    // A program may be executable and yet unreadable; a script may not.
    if (!script.executable) throw std::system_error(errno, std::generic_category(), "open " + path);
    script.content = FileContent::binary;
    return script;
  }
  std::array<char, kInspectedBytes> block{};
  file.read(block.data(), block.size());
  const std::string_view bytes(block.data(), static_cast<std::size_t>(file.gcount()));
  if (bytes.starts_with(kElfMagic)) {
    script.content = FileContent::elf;
  } else if (bytes.starts_with("#!")) {
    script.content = FileContent::shebang;
    script.shebang = bytes.substr(2, bytes.find('\n') - 2);
  } else if (looks_binary(bytes)) {
    script.content = FileContent::binary;
  }
  return script;
}

std::string absolute_path(std::string_view path, const std::string& base_dir,
                          std::string_view home_dir) {
  std::filesystem::path result(path);
  if (!home_dir.empty() && (path == "~" || path.starts_with("~/"))) {
    result = std::filesystem::path(home_dir);
    if (path.size() > 2) result /= path.substr(2);
  }
  if (result.is_relative()) result = std::filesystem::path(base_dir) / result;
  std::string text = result.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace pmx
