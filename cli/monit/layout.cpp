#include "cli/monit/layout.h"

#include <algorithm>
#include <initializer_list>

namespace pmx::cli::monit {
namespace {

constexpr int kWideFrom = 150;  // columns
constexpr int kLeastList = 3;
constexpr int kWidestList = 120;

void lay_out_zoomed(Layout& layout, Pane zoomed, int rows, int columns) {
  const int body = rows - 3;
  const Rect title{1, 0, 1, columns};
  const Rect rest{2, 0, body - 1, columns};
  if (zoomed == Pane::list) {
    layout.list_head = title;
    layout.list = rest;
  } else if (layout.is_wide && zoomed != Pane::logs) {
    layout.second_title = title;
    layout.second_pane = rest;
  } else {
    layout.title = title;
    layout.pane = rest;
  }
}

}  // namespace

Layout layout_of(Size size, int instances, std::optional<Pane> zoomed) {
  Layout layout;
  if (size.rows < kLeastSize.rows || size.columns < kLeastSize.columns) {
    layout.is_too_small = true;
    return layout;
  }
  const int rows = size.rows;
  const int columns = size.columns;
  layout.is_wide = columns >= kWideFrom;
  layout.header = {0, 0, 1, columns};
  layout.status = {rows - 2, 0, 1, columns};
  layout.keys = {rows - 1, 0, 1, columns};
  if (zoomed) {
    lay_out_zoomed(layout, *zoomed, rows, columns);
    return layout;
  }
  // The header, the list's head, the title of what is below, the status and the keys.
  const int room = rows - 5;
  const int share = layout.is_wide ? room * 6 / 10 : room / 2;
  const int list = std::clamp(instances, kLeastList, share);
  const int width = layout.is_wide ? std::min(columns / 2, kWidestList) : columns;
  layout.list_head = {1, 0, 1, width};
  layout.list = {2, 0, list, width};
  const Rect title{2 + list, 0, 1, width};
  const Rect below{3 + list, 0, room - list, width};
  if (!layout.is_wide) {
    layout.title = title;
    layout.pane = below;
    return layout;
  }
  layout.second_title = title;
  layout.second_pane = below;
  // A column stays free between the list and the logs.
  layout.title = {1, width + 1, 1, columns - width - 1};
  layout.pane = {2, width + 1, rows - 4, columns - width - 1};
  return layout;
}

std::string_view name_of(Pane pane) {
  switch (pane) {
    case Pane::list:
      return "List";
    case Pane::logs:
      return "Logs";
    case Pane::details:
      return "Details";
    case Pane::environment:
      break;
  }
  return "Environment";
}

std::vector<Tab> tabs_of(const Layout& layout) {
  std::vector<Tab> tabs;
  const auto add = [&](const Rect& title, std::initializer_list<Pane> panes) {
    int column = title.column + 1;
    for (const Pane pane : panes) {
      // A blank on both sides of the name, and a line between two of them.
      const int width = static_cast<int>(name_of(pane).size()) + 2;
      tabs.push_back({pane, {title.row, column, 1, width}});
      column += width + 1;
    }
  };
  if (layout.is_wide) {
    if (layout.title.width > 0) add(layout.title, {Pane::logs});
    if (layout.second_title) add(*layout.second_title, {Pane::details, Pane::environment});
  } else if (layout.title.width > 0) {
    add(layout.title, {Pane::logs, Pane::details, Pane::environment});
  }
  return tabs;
}

}  // namespace pmx::cli::monit
