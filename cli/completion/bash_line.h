// A line that is being typed in bash, and answers in the form that bash wants. bash gives completion
// functions words with their quotes, cut at colons and equals signs, and puts the answer behind the
// last such cut: done here, as it needs more than a shell script's means to be right.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pmx::cli {

struct BashLine {
  std::vector<std::string> before;  // complete words behind the program's name, without quotes
  std::string current;              // the word at the cursor, without quotes
  char open_quote = '\0';           // that the cursor is in
  std::size_t kept = 0;             // bytes of `current` that bash leaves in front of an answer
};

// `line` up to the cursor, from the program's name on. `breaks`: COMP_WORDBREAKS.
BashLine read_bash_line(std::string_view line, std::string_view breaks);

// What goes into COMPREPLY for `word`, which begins with `line.current`.
std::string bash_reply(const BashLine& line, std::string_view word);

}  // namespace pmx::cli
