// A configuration file as values, with the line each of them stands on: what the readers of the
// formats give and the rest of the program looks at. Only for common/config and cli/config.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

struct ConfigDocument {
  // Lines are kept for values up to this depth: a variable of an app of a "pm2" section.
  static constexpr int kLineDepth = 5;
  // A reader refuses what is nested deeper.
  static constexpr int kDeepest = 100;

  struct Problem {
    int line = 0;
    std::string text;
  };

  std::string file;  // its name in messages
  nlohmann::json root;
  std::map<std::string, int, std::less<>> lines;  // by JSON pointer; empty: not known (JavaScript)
  std::vector<Problem> problems;  // what is wrong, though everything could be read: duplicate keys

  // Of the value, else of what it lies in; 0: not known.
  [[nodiscard]] int line_of(std::string_view pointer) const;
  // The first line told for a value counts.
  void remember_line(const std::string& pointer, int depth, int line);
};

// JSON pointer (RFC 6901) of a member or an element.
std::string pointer_to(const std::string& parent, std::string_view key);
std::string pointer_to(const std::string& parent, std::size_t index);

}  // namespace pmx
