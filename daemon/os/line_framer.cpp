#include "daemon/os/line_framer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/date_pattern.h"

namespace pmx {
namespace {

constexpr std::string_view kIsoDate = "YYYY-MM-DDTHH:mm:ss.SSSZ";

}  // namespace

LineFramer::LineFramer(LogStyle style, int pm_id, std::string type)
    : style_(std::move(style)), pm_id_(pm_id), type_(std::move(type)) {}

LineFramer::Framed LineFramer::frame(std::string_view bytes, bool all,
                                     std::chrono::system_clock::time_point now) const {
  Framed framed;
  const std::size_t last = bytes.rfind('\n');
  framed.used = all ? bytes.size() : last == std::string_view::npos ? 0 : last + 1;
  std::string_view left = bytes.substr(0, framed.used);
  if (left.empty()) return framed;
  if (style_.date_format.empty() && !style_.json) {
    framed.text = left;
    return framed;
  }
  const std::string date =
      format_date(style_.date_format.empty() ? kIsoDate : style_.date_format, now);
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    add(framed.text, left.substr(0, end), date);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return framed;
}

void LineFramer::add(std::string& text, std::string_view line, const std::string& date) const {
  if (!style_.json) {
    if (!date.empty()) {
      text += date;
      text += ": ";
    }
    text += line;
    text += '\n';
    return;
  }
  // As pm2 has it: the message with its line break. What is not UTF-8 is replaced.
  const nlohmann::json record{{"message", std::string(line) + '\n'},
                              {"timestamp", date},
                              {"type", type_},
                              {"process_id", pm_id_},
                              {"app_name", style_.app_name}};
  text += record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text += '\n';
}

}  // namespace pmx
