// Where everything is on a screen of a given size.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "cli/monit/picture.h"

namespace pmx::cli::monit {

// What can be looked at, and scrolled.
enum class Pane { list, logs, details, environment };

inline constexpr Size kLeastSize{24, 80};

struct Layout {
  bool is_too_small = false;  // then nothing else is meant
  bool is_wide = false;       // logs beside the list, the details below it
  Rect header;
  Rect list_head;
  Rect list;
  Rect title;  // of `pane`
  Rect pane;   // the logs if wide, else whatever is chosen
  std::optional<Rect> second_title;
  std::optional<Rect> second_pane;  // details or environment
  Rect status;
  Rect keys;
};

// `instances`: how long the list is; a short one leaves its room to the rest. `zoomed`: that pane
// alone.
Layout layout_of(Size size, int instances, std::optional<Pane> zoomed);

// The names of panes in their titles, to be clicked.
struct Tab {
  Pane pane = Pane::logs;
  Rect at;
};
std::vector<Tab> tabs_of(const Layout& layout);
std::string_view name_of(Pane pane);

}  // namespace pmx::cli::monit
