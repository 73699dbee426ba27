// What comes from the keyboard and the mouse.
#pragma once

#include <string>

namespace pmx::cli::monit {

struct Input {
  enum class Kind {
    character,  // `text`: one character, UTF-8
    up,
    down,
    left,
    right,
    page_up,
    page_down,
    home,
    end,
    enter,
    escape,
    tab,
    back_tab,
    backspace,
    remove,  // the Delete key
    click,   // at `row`, `column`
    wheel_up,
    wheel_down,
  };
  Kind kind = Kind::character;
  std::string text = {};
  int row = 0;
  int column = 0;
};

}  // namespace pmx::cli::monit
