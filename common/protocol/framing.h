// One message is one line of JSON ended by '\n' (a '\r' before it is tolerated). This splits a byte
// stream into such lines.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pmx::protocol {

// A request is small; an answer (`list` with details of a thousand apps) can be large.
inline constexpr std::size_t kMaxRequestBytes = std::size_t{4} << 20U;
inline constexpr std::size_t kMaxResponseBytes = std::size_t{256} << 20U;
inline constexpr int kMaxNesting = 32;

class LineBuffer {
 public:
  explicit LineBuffer(std::size_t limit) : limit_(limit) {}

  // Appends received bytes. Returns false once an unfinished line is longer than the limit: close
  // the connection.
  [[nodiscard]] bool append(std::string_view bytes);
  // The next complete line without its end, or nothing. Empty lines are skipped.
  std::optional<std::string> next();

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t scanned_ = 0;  // no '\n' before this position
};

// Deepest nesting of [ and { outside strings: checked before parsing so that hostile depth costs no
// stack.
int nesting_depth(std::string_view json) noexcept;

}  // namespace pmx::protocol
