// Which version of Node.js a program is.
#pragma once

#include <string>

namespace pmx {

struct NodeVersion {
  int line = 0;  // 22 of 22.18; 0: could not be found out
  int minor_number = 0;

  // Runs TypeScript files as they are: 22.18, 23.6 and all newer lines.
  [[nodiscard]] bool strips_types() const noexcept;
  // "20.11", or "(unknown version)".
  [[nodiscard]] std::string text() const;
};

// Runs `program --version`; waits at most 5 s, then ends it.
NodeVersion node_version(const std::string& program);

// Of what it printed: "v22.18.0".
NodeVersion parse_node_version(const std::string& text);

}  // namespace pmx
