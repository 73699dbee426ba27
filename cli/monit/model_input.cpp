// What keys and clicks do.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "cli/monit/columns.h"
#include "cli/monit/model.h"

namespace pmx::cli::monit {
namespace {

using Kind = Input::Kind;

constexpr std::array kPanes = {Pane::list, Pane::logs, Pane::details, Pane::environment};
constexpr std::array<std::string_view, 7> kOrders = {
    "id", "name", "cpu:desc", "memory:desc", "restarts:desc", "uptime", "status"};
constexpr long kWheel = 3;  // rows
constexpr long kAll = 1'000'000;

}  // namespace

void Model::handle(const Input& input) {
  if (prompt_ != Prompt::none) return handle_prompt(input);
  if (question_) return handle_question(input);
  if (help_ && input.text != "q") {
    help_ = false;  // whatever the key
    return;
  }
  message_ = {};
  switch (input.kind) {
    case Kind::character:
      return handle_character(input.text);
    case Kind::left:
    case Kind::back_tab:
      return move_focus(-1);
    case Kind::right:
    case Kind::tab:
      return move_focus(1);
    case Kind::enter:
      // From the list to what is shown of the selected instance, and back.
      return set_focus(focus_ != Pane::list ? Pane::list
                                            : (layout().is_wide ? Pane::logs : below_));
    case Kind::escape:
      return escape();
    case Kind::remove:
      return begin(Verb::remove);
    case Kind::click:
    case Kind::wheel_up:
    case Kind::wheel_down:
      return handle_click(input);
    case Kind::backspace:
      return;
    default:
      return handle_movement(input.kind);
  }
}

void Model::handle_character(const std::string& text) {
  if (text.size() != 1) return;
  switch (text.front()) {
    case 'q':
      quit_ = true;
      return;
    case '?':
    case 'h':
      help_ = true;
      return;
    case '/':
      return begin_prompt(focus_ == Pane::logs ? Prompt::search : Prompt::filter);
    case 'f':
      return begin_prompt(Prompt::search);
    case 'n':
      return next_match(true);
    case 'N':
      return next_match(false);
    case 'o':
      return next_order();
    case 'O':
      return reverse_order();
    case 's':
      return begin(Verb::stop);
    case 'r':
      return begin(Verb::restart);
    case 'R':
      return begin(Verb::reload);
    case 'D':
      return begin(Verb::remove);
    case '+':
      return scale(1);
    case '-':
      return scale(-1);
    case 'l':
      return set_focus(Pane::logs);
    case 'd':
      return set_focus(Pane::details);
    case 'e':
      return set_focus(Pane::environment);
    case 'z':
      zoomed_ = !zoomed_;
      return;
    case 'k':
      return handle_movement(Kind::up);
    case 'j':
      return handle_movement(Kind::down);
    case ' ':
      return handle_movement(Kind::page_down);
    case 'g':
      return handle_movement(Kind::home);
    case 'G':
      return handle_movement(Kind::end);
    default:
      return;
  }
}

void Model::handle_movement(Input::Kind kind) {
  const long page = std::max(height_of(focus_) - 1, 1);
  switch (kind) {
    case Kind::up:
      return scroll(focus_, -1);
    case Kind::down:
      return scroll(focus_, 1);
    case Kind::page_up:
      return scroll(focus_, -page);
    case Kind::page_down:
      return scroll(focus_, page);
    case Kind::home:
      return scroll(focus_, -kAll);
    default:
      return scroll(focus_, kAll);
  }
}

void Model::scroll(Pane pane, long lines) {
  const Layout now = layout();
  const int width = now.second_pane ? now.second_pane->width : now.pane.width;
  switch (pane) {
    case Pane::list:
      list_.move_selection(lines);
      return selection_may_have_changed();
    case Pane::logs:
      return logs_.scroll(-lines);
    case Pane::details:
      return details_.scroll(lines, height_of(pane), width);
    case Pane::environment:
      return environment_.scroll(lines, height_of(pane), width);
  }
}

// The nearest thing to be left; at last the program, as in pm2.
void Model::escape() {
  if (!logs_.searched().empty()) {
    logs_.search("");
  } else if (logs_.below() > 0) {
    logs_.scroll_to_end();
  } else if (zoomed_) {
    zoomed_ = false;
  } else if (focus_ != Pane::list) {
    focus_ = Pane::list;
  } else if (!list_.filter().empty()) {
    list_.set_filter("");
    selection_may_have_changed();
  } else {
    quit_ = true;
  }
}

void Model::handle_question(const Input& input) {
  const Question asked = std::move(*question_);
  question_.reset();
  if (input.text == "y" || input.text == "Y") return perform(asked.one);
  if (input.text == "a" && asked.all) return perform(asked.all);
  say("nothing done");
}

void Model::begin_prompt(Prompt prompt) {
  prompt_ = prompt;
  typed_ = prompt == Prompt::filter ? list_.filter() : logs_.searched();
}

void Model::handle_prompt(const Input& input) {
  switch (input.kind) {
    case Kind::character:
      if (input.text == "\x15") {  // ^U
        typed_.clear();
      } else if (static_cast<unsigned char>(input.text.front()) >= ' ') {
        typed_ += input.text;
      }
      return typed_changed();
    case Kind::backspace:
      while (!typed_.empty()) {
        const auto last = static_cast<unsigned char>(typed_.back());
        typed_.pop_back();
        if ((last & 0xc0U) != 0x80U) break;  // a character's first byte
      }
      return typed_changed();
    case Kind::escape:
      typed_.clear();
      typed_changed();
      prompt_ = Prompt::none;
      return;
    case Kind::up:
    case Kind::down:
      return handle_movement(input.kind);
    case Kind::enter:
      if (prompt_ == Prompt::search && !typed_.empty()) next_match(true);
      prompt_ = Prompt::none;
      return;
    default:
      return;
  }
}

void Model::typed_changed() {
  if (prompt_ == Prompt::search) return logs_.search(typed_);
  list_.set_filter(typed_);
  selection_may_have_changed();
}

void Model::next_match(bool upwards) {
  if (logs_.searched().empty()) return begin_prompt(Prompt::search);
  if (!layout().is_wide) set_focus(Pane::logs);
  if (!logs_.next_match(upwards))
    say(fmt::format("\"{}\" is not in the last {} lines", logs_.searched(), logs_.size()));
}

void Model::next_order() {
  const auto* found = std::find(kOrders.begin(), kOrders.end(), list_.order());
  const auto next = found == kOrders.end() ? 0 : found - kOrders.begin() + 1;
  list_.set_order(std::string(kOrders[static_cast<std::size_t>(next) % kOrders.size()]));
  say("by " + list_.order());
}

void Model::reverse_order() {
  std::string order = list_.order();
  const std::size_t colon = order.find(":desc");
  if (colon == std::string::npos)
    order += ":desc";
  else
    order.erase(colon);
  list_.set_order(order);
  say("by " + order);
}

void Model::set_focus(Pane pane) {
  focus_ = pane;
  if (pane == Pane::list || (pane == Pane::logs && layout().is_wide)) return;
  below_ = pane;
}

void Model::move_focus(int step) {
  const auto* now = std::find(kPanes.begin(), kPanes.end(), focus_);
  const auto count = static_cast<int>(kPanes.size());
  const int next = (static_cast<int>(now - kPanes.begin()) + step + count) % count;
  set_focus(kPanes[static_cast<std::size_t>(next)]);
}

void Model::handle_click(const Input& input) {
  const Layout now = layout();
  const auto is_in = [&](const Rect& rect) { return rect.contains(input.row, input.column); };
  if (input.kind != Kind::click) {
    const long lines = input.kind == Kind::wheel_up ? -kWheel : kWheel;
    if (is_in(now.list)) return scroll(Pane::list, lines);
    if (is_in(now.pane)) return scroll(now.is_wide ? Pane::logs : below_, lines);
    if (now.second_pane && is_in(*now.second_pane)) return scroll(below_, lines);
    return;
  }
  if (is_in(now.list)) {
    focus_ = Pane::list;
    const auto height = static_cast<std::size_t>(now.list.height);
    const std::size_t row =
        list_.first_row(height) + static_cast<std::size_t>(input.row - now.list.row);
    if (row < list_.shown().size()) list_.select_row(row);
    return selection_may_have_changed();
  }
  if (is_in(now.list_head)) {
    for (const PlacedColumn& column : columns_for(now.list_head.width)) {
      const int at = input.column - now.list_head.column - column.at;
      if (at < 0 || at >= column.width || order_of(column.column).empty()) continue;
      // Clicked again: the other way round.
      if (list_.order().starts_with(order_of(column.column)) ||
          order_of(column.column).starts_with(list_.order()))
        return reverse_order();
      list_.set_order(std::string(order_of(column.column)));
      return say("by " + list_.order());
    }
    return;
  }
  for (const Tab& tab : tabs_of(now)) {
    if (is_in(tab.at)) return set_focus(tab.pane);
  }
  if (is_in(now.pane)) return set_focus(now.is_wide ? Pane::logs : below_);
  if (now.second_pane && is_in(*now.second_pane)) set_focus(below_);
}

}  // namespace pmx::cli::monit
