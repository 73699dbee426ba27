#include "daemon/ports/notification.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "common/base/text.h"

namespace pmx {
namespace {

std::optional<Millis> from_micros(std::string_view digits) {
  std::uint64_t micros = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), micros);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  constexpr std::uint64_t kMost = 24ULL * 60 * 60 * 1'000'000;  // nobody starts for a day
  return Millis(static_cast<Millis::rep>(std::min(micros, kMost) / 1000));
}

std::string printable_line(std::string_view text) {
  std::string line(text.substr(0, Notification::kLongestStatus));
  while (!line.empty() && !is_utf8(line)) line.pop_back();
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return line;
}

}  // namespace

Notification parse_notification(std::string_view message) {
  Notification result;
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\n'), message.size());
    const std::string_view line = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
    if (line == "READY=1") result.ready = true;
    if (line == "WATCHDOG=1") result.alive = true;
    if (line == "WATCHDOG=trigger") result.asks_for_restart = true;
    if (line == "STOPPING=1" && !result.status) result.status = "stopping";
    if (line == "RELOADING=1" && !result.status) result.status = "reloading";
    if (line.starts_with("STATUS=")) result.status = printable_line(line.substr(7));
    if (line.starts_with("EXTEND_TIMEOUT_USEC=")) result.extend = from_micros(line.substr(20));
  }
  return result;
}

}  // namespace pmx
