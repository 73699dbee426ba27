#include "common/protocol/framing.h"

#include <algorithm>

namespace pmx::protocol {

bool LineBuffer::append(std::string_view bytes) {
  buffer_.append(bytes);
  const std::size_t end = buffer_.find('\n', scanned_);
  if (end != std::string::npos) return end <= limit_;
  scanned_ = buffer_.size();
  return buffer_.size() <= limit_;
}

std::optional<std::string> LineBuffer::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      return std::nullopt;
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    scanned_ = 0;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) return line;
  }
}

int nesting_depth(std::string_view json) noexcept {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace pmx::protocol
