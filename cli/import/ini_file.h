// Sections of keys and values, as supervisord's configuration has them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pmx::cli {

struct IniSection {
  std::string name;  // "program:web"
  std::string file;
  std::map<std::string, std::string>
      values;  // keys in lower case; continued lines joined by a newline
};

// Lines that begin with ';' or '#', and what follows a blank and ';', are comments; a line that
// begins with a blank goes on with the value before. Throws Error(invalid_spec) "FILE:LINE: ...".
std::vector<IniSection> read_ini(std::string_view text, const std::string& file);

}  // namespace pmx::cli
