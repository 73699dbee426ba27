// Variables in the values of variables, as shells and other managers write them:
//
//   ${NAME}            its value; it must be there
//   ${NAME:-default}   the default if it is not there, or empty; a default has no variables itself
//   ${NAME-default}    the default if it is not there
//   $${                the text "${"
//
// Any other "$" stands for itself: passwords have them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pmx {

struct Expansion {
  std::string text;
  std::string problem;  // empty: none. In words, without values
};

// `find`: the value of a variable, or none.
Expansion expand(std::string_view text,
                 const std::function<std::optional<std::string>(const std::string& name)>& find);

// `text` as it must be written to stay what it is.
std::string without_expansion(std::string_view text);

}  // namespace pmx
