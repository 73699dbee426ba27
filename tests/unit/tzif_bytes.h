// Time zones for tests, independent of the machine's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "daemon/policy/time_zone.h"

namespace pmx::test {

inline std::chrono::sys_seconds utc(int year, unsigned month, unsigned day, int hour, int minute) {
  return std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) /
                               static_cast<int>(day)} +
         std::chrono::hours{hour} + std::chrono::minutes{minute};
}

inline void append_big_endian(std::string& to, std::int64_t value, unsigned bytes) {
  while (bytes-- > 0) to += static_cast<char>(static_cast<std::uint64_t>(value) >> (bytes * 8U));
}

// A file of version 2: an empty old block, the transitions (time, index of offset), the last line.
inline std::string tzif(const std::vector<std::int32_t>& offsets,
                        const std::vector<std::pair<std::int64_t, int>>& transitions,
                        const std::string& footer) {
  const auto header = [](std::size_t times, std::size_t types, std::size_t characters) {
    std::string text = "TZif2" + std::string(15, '\0');
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{0}, std::size_t{0}, times, types, characters}) {
      append_big_endian(text, static_cast<std::int64_t>(count), 4);
    }
    return text;
  };
  std::string bytes = header(0, 1, 1) + std::string(7, '\0');
  bytes += header(transitions.size(), offsets.size(), 4);
  for (const auto& [at, index] : transitions) append_big_endian(bytes, at, 8);
  for (const auto& [at, index] : transitions) bytes += static_cast<char>(index);
  for (const std::int32_t offset : offsets) {
    append_big_endian(bytes, offset, 4);
    bytes += std::string(2, '\0');
  }
  return bytes + std::string("ABC\0", 4) + "\n" + footer + "\n";
}

inline TimeZone by_rule(const std::string& footer) {
  return TimeZone::parse("Test/Rule", tzif({0}, {}, footer));
}

inline TimeZone berlin() { return by_rule("CET-1CEST,M3.5.0,M10.5.0/3"); }

}  // namespace pmx::test
