#include "cli/monit/draw.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "cli/monit/columns.h"
#include "cli/monit/help.h"
#include "cli/monit/text.h"
#include "cli/render/cells.h"
#include "cli/render/text_width.h"

namespace pmx::cli::monit {
namespace {

constexpr Style kReverse{.reverse = true};
constexpr Style kDim{.dim = true};

class Drawing {
 public:
  Drawing(Model& model, WallMillis now) : model_(model), now_(now), layout_(model.layout()) {}

  Picture take() {
    if (layout_.is_too_small) {
      say_too_small();
    } else {
      header();
      if (model_.shows_help()) {
        help();
      } else {
        list();
        titles();
        panes();
      }
      status();
      keys();
    }
    return std::move(picture_);
  }

 private:
  void put(int row, int column, std::string text, Style style = {}) {
    if (!text.empty()) picture_.pieces.push_back({row, column, std::move(text), style});
  }
  void say_too_small();
  void header();
  void help();
  void list();
  void list_head();
  void list_row(int row, const InstanceStatus& one, bool is_selected);
  void titles();
  void title(const Rect& rect, Pane shown);
  void panes();
  void logs(const Rect& rect);
  void text(const Rect& rect, const TextPane& pane);
  void status();
  void keys();

  Model& model_;
  WallMillis now_;
  Layout layout_;
  Picture picture_;
};

void Drawing::say_too_small() {
  const Size size = model_.size();
  const std::string lines[] = {
      fmt::format("pmx monit needs {} columns and {} rows,", kLeastSize.columns, kLeastSize.rows),
      fmt::format("this terminal has {} and {}.", size.columns, size.rows),
      "Make it larger, or press q."};
  int row = std::max((size.rows - 3) / 2, 0);
  for (const std::string& line : lines) {
    if (row >= size.rows) return;
    const int column = std::max((size.columns - static_cast<int>(line.size())) / 2, 0);
    put(row++, column, shorten(line, static_cast<std::size_t>(std::max(size.columns, 0))));
  }
}

void Drawing::header() {
  const auto& all = model_.list().all();
  std::map<std::string, int> states;
  double cpu = 0;
  std::uint64_t memory = 0;
  for (const InstanceStatus& one : all) {
    ++states[state_cell(one).text];
    cpu += one.cpu_percent;
    memory += one.memory_bytes;
  }
  std::vector<std::string> counts;
  for (const auto& [state, count] : states) counts.push_back(fmt::format("{} {}", count, state));
  // What runs first.
  const auto online = std::find_if(counts.begin(), counts.end(), [](const std::string& text) {
    return text.ends_with(" online");
  });
  if (online != counts.end()) std::rotate(counts.begin(), online, online + 1);
  std::string text = fmt::format(" pmx monit  {}", fmt::join(counts, ", "));
  const std::string sums = fmt::format("cpu {}  mem {} ", cpu_text(cpu), memory_text(memory));
  const int room = layout_.header.width - static_cast<int>(sums.size());
  if (!model_.problem().empty()) {
    text = " pmx monit  " + printable(model_.problem());
    put(layout_.header.row, 0, fitted(text, layout_.header.width),
        {.colour = Colour::red, .bold = true, .reverse = true});
    return;
  }
  put(layout_.header.row, 0, fitted(text, room) + sums, kReverse);
}

void Drawing::help() {
  int row = layout_.header.row + 1;
  const int end = layout_.status.row;
  for (const HelpLine& line : help_lines()) {
    if (row >= end) return;
    put(row, 2, fitted(line.keys, 19), {.bold = true});
    put(row++, 22, fitted(line.what, layout_.header.width - 22));
  }
}

void Drawing::list_head() {
  const Rect& head = layout_.list_head;
  const std::string& order = model_.list().order();
  const std::string_view field = std::string_view(order).substr(0, order.find(':'));
  for (const PlacedColumn& column : columns_for(head.width)) {
    std::string name(title_of(column.column));
    const bool decides = !name.empty() && order_of(column.column).starts_with(field);
    if (decides) name += order.ends_with(":desc") ? "▼" : "▲";
    put(head.row, head.column + column.at, fitted(name, column.width, column.right),
        {.colour = Colour::cyan, .bold = decides});
  }
}

void Drawing::list_row(int row, const InstanceStatus& one, bool is_selected) {
  const Rect& list = layout_.list;
  const bool has_focus = model_.focus() == Pane::list;
  const bool is_marked = is_selected && has_focus;
  if (is_marked)
    put(row, list.column, std::string(static_cast<std::size_t>(list.width), ' '), kReverse);
  for (const PlacedColumn& column : columns_for(list.width)) {
    const Cell cell = cell_of(column, one, model_.list().usage(one.pm_id), now_);
    Style style{.colour = is_marked ? Colour::none : cell.colour,
                .bold = is_selected,
                .reverse = is_marked || (is_selected && column.column == Column::id)};
    put(row, list.column + column.at, fitted(printable(cell.text), column.width, column.right),
        style);
  }
}

void Drawing::list() {
  const Rect& list = layout_.list;
  if (list.height == 0) return;
  list_head();
  InstanceList& instances = model_.list();
  const auto& shown = instances.shown();
  if (shown.empty()) {
    const bool is_filtered = !instances.all().empty();
    put(list.row, list.column + 1,
        fitted(is_filtered ? "no instance matches the filter (Esc ends it)"
                           : "nothing here yet: pmx start app.js",
               list.width - 1),
        kDim);
    return;
  }
  const std::size_t first = instances.first_row(static_cast<std::size_t>(list.height));
  for (int row = 0; row < list.height; ++row) {
    const std::size_t index = first + static_cast<std::size_t>(row);
    if (index >= shown.size()) break;
    list_row(list.row + row, instances.all()[shown[index]], index == instances.selected_row());
  }
}

void Drawing::title(const Rect& rect, Pane shown) {
  std::string line;
  for (int i = 0; i < rect.width; ++i) line += "─";
  put(rect.row, rect.column, line, kDim);
  std::string remark;
  if (const InstanceStatus* one = model_.selected())
    remark = fmt::format(" {} ({}) ", printable(one->name), one->pm_id);
  if (shown == Pane::logs && model_.logs().below() > 0)
    remark = fmt::format(" {} lines below, End goes there ", model_.logs().below());
  if (shown == Pane::logs && !model_.logs().searched().empty())
    remark = fmt::format(" {} lines with \"{}\", n N, Esc ends ", model_.logs().matches(),
                         printable(model_.logs().searched()));
  int left = rect.column;
  for (const Tab& tab : tabs_of(layout_)) {
    if (tab.at.row != rect.row || !rect.contains(tab.at.row, tab.at.column)) continue;
    const bool is_shown = tab.pane == shown;
    const bool has_focus = is_shown && model_.focus() == shown;
    put(tab.at.row, tab.at.column, fmt::format(" {} ", name_of(tab.pane)),
        {.bold = is_shown, .dim = !is_shown, .reverse = has_focus});
    left = tab.at.column + tab.at.width;
  }
  const int room = rect.column + rect.width - left - 2;
  remark = shorten(remark, static_cast<std::size_t>(std::max(room, 0)));
  put(rect.row, rect.column + rect.width - 1 - static_cast<int>(display_width(remark)), remark,
      {.bold = true});
}

void Drawing::titles() {
  if (layout_.title.height > 0) title(layout_.title, layout_.is_wide ? Pane::logs : model_.below());
  if (layout_.second_title) title(*layout_.second_title, model_.below());
}

void Drawing::panes() {
  const auto draw_pane = [&](const Rect& rect, Pane pane) {
    if (rect.height == 0) return;
    if (pane == Pane::logs) return logs(rect);
    text(rect, pane == Pane::details ? model_.details() : model_.environment());
  };
  draw_pane(layout_.pane, layout_.is_wide ? Pane::logs : model_.below());
  if (layout_.second_pane) draw_pane(*layout_.second_pane, model_.below());
}

void Drawing::logs(const Rect& rect) {
  const auto rows = std::as_const(model_).logs().rows(rect.height, rect.width - 2);
  if (rows.empty() && model_.selected() != nullptr)
    put(rect.row, rect.column + 1, fitted("no output yet", rect.width - 1), kDim);
  int row = rect.row;
  for (const LogLines::Row& one : rows) {
    const bool is_error = one.stream == LogStream::err;
    // Also to be seen without colours.
    if (is_error && one.is_first) put(row, rect.column, "!", {.colour = Colour::red, .bold = true});
    const Style style{.colour = is_error ? Colour::red : Colour::none};
    const std::string_view text = one.text;
    int column = rect.column + 2;
    const auto part = [&](std::string_view piece, Style piece_style) {
      put(row, column, std::string(piece), piece_style);
      column += static_cast<int>(display_width(piece));
    };
    part(text.substr(0, one.match_begin), style);
    part(text.substr(one.match_begin, one.match_end - one.match_begin), kReverse);
    part(text.substr(one.match_end), style);
    ++row;
  }
}

void Drawing::text(const Rect& rect, const TextPane& pane) {
  const int keys = pane.key_width();
  int row = rect.row;
  for (const TextPane::Line& line : pane.lines(rect.height, rect.width - 1)) {
    put(row, rect.column + 1, fitted(line.key, keys), {.colour = Colour::cyan});
    put(row++, rect.column + keys + 2, line.value, {.colour = line.colour});
  }
}

void Drawing::status() {
  const Rect& rect = layout_.status;
  const auto say = [&](const std::string& text, Style style) {
    put(rect.row, 1, fitted(printable(text), rect.width - 1), style);
  };
  if (model_.prompt() != Prompt::none) {
    const std::string label =
        model_.prompt() == Prompt::filter ? "filter the list: " : "search the logs: ";
    say(label + model_.typed(), {.bold = true});
    const auto end = static_cast<int>(label.size() + display_width(model_.typed())) + 1;
    picture_.cursor = {rect.row, std::min(end, rect.width - 1)};
    return;
  }
  if (model_.question()) return say(model_.question()->text, {.bold = true, .reverse = true});
  if (!model_.message().text.empty())
    return say(model_.message().text, {.colour = model_.message().colour, .bold = true});
  if (!model_.in_progress().empty())
    return say(fmt::format("{} ...", fmt::join(model_.in_progress(), ", ")), {.bold = true});
  const InstanceList& list = model_.list();
  std::string text = fmt::format("{} of {}", list.shown().empty() ? 0 : list.selected_row() + 1,
                                 list.shown().size());
  if (!list.filter().empty())
    text += fmt::format(" that match \"{}\" (Esc ends it)", list.filter());
  if (const InstanceStatus* one = model_.selected(); one != nullptr && !one->reason.empty())
    text += fmt::format("; {}: {}", one->name, one->reason);
  say(text, kDim);
}

void Drawing::keys() {
  const Rect& rect = layout_.keys;
  int column = 1;
  for (const HelpLine& key : short_keys()) {
    const auto key_width = static_cast<int>(display_width(key.keys));
    const auto width = key_width + 1 + static_cast<int>(key.what.size());
    if (column + width >= rect.width) return;
    put(rect.row, column, std::string(key.keys), {.bold = true});
    put(rect.row, column + key_width + 1, std::string(key.what), kDim);
    column += width + 2;
  }
}

}  // namespace

Picture draw(Model& model, WallMillis now) { return Drawing(model, now).take(); }

}  // namespace pmx::cli::monit
