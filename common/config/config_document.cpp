#include "common/config/config_document.h"

#include <fmt/format.h>

namespace pmx {

int ConfigDocument::line_of(std::string_view pointer) const {
  for (;;) {
    if (const auto found = lines.find(pointer); found != lines.end()) return found->second;
    if (pointer.empty()) return 0;
    pointer = pointer.substr(0, pointer.rfind('/'));
  }
}

void ConfigDocument::remember_line(const std::string& pointer, int depth, int line) {
  if (depth <= kLineDepth) lines.emplace(pointer, line);
}

std::string pointer_to(const std::string& parent, std::string_view key) {
  std::string pointer = parent + '/';
  for (const char c : key) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer.push_back(c);
    }
  }
  return pointer;
}

std::string pointer_to(const std::string& parent, std::size_t index) {
  return fmt::format("{}/{}", parent, index);
}

}  // namespace pmx
