// Dates as users of pm2 write them ("YYYY-MM-DD HH:mm:ss").
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace pmx {

// What pm2's --time means.
inline constexpr std::string_view kLogTime = "YYYY-MM-DDTHH:mm:ss";

// Local time. Known: YYYY YY MM M DD D HH H hh h mm m ss s SSS A a Z ("+02:00") ZZ ("+0200") X
// (seconds since 1970) x (milliseconds), [text] as it is. Everything else stands for itself.
std::string format_date(std::string_view pattern, std::chrono::system_clock::time_point time);

}  // namespace pmx
