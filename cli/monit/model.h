// Model: everything that is on the screen, and what a key or a click changes in it. Knows no
// terminal, no daemon and no file: the loop (monit.h) gives it what comes, and does what it asks for.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/monit/action.h"
#include "cli/monit/input.h"
#include "cli/monit/instance_list.h"
#include "cli/monit/layout.h"
#include "cli/monit/log_lines.h"
#include "cli/monit/text_pane.h"

namespace pmx::cli::monit {

// "y" does `one`, "a" does `all`, everything else does nothing.
struct Question {
  std::string text;
  Action one;
  std::optional<Action> all;
};

struct Message {
  std::string text;
  Colour colour = Colour::none;
};

// A line that is being typed.
enum class Prompt { none, filter, search };

class Model {
 public:
  // What comes from outside.
  void set_size(Size size);
  void set_instances(std::vector<InstanceStatus> instances);
  // With detail; dropped unless it is the selected one's.
  void set_detail(const InstanceStatus& detail, WallMillis now);
  void set_order(const std::string& order) { list_.set_order(order); }
  void set_problem(std::string problem) { problem_ = std::move(problem); }
  void set_in_progress(std::vector<std::string> actions) { in_progress_ = std::move(actions); }
  void say(std::string text, Colour colour = Colour::none) { message_ = {std::move(text), colour}; }
  [[nodiscard]] LogLines& logs() { return logs_; }
  void handle(const Input& input);

  // What it asks for.
  std::optional<Action> take_action() { return std::exchange(action_, std::nullopt); }
  [[nodiscard]] bool wants_to_quit() const { return quit_; }
  [[nodiscard]] const InstanceStatus* selected() const { return list_.selected(); }

  // What is drawn.
  [[nodiscard]] Layout layout() const;
  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] InstanceList& list() { return list_; }
  [[nodiscard]] const InstanceList& list() const { return list_; }
  [[nodiscard]] const LogLines& logs() const { return logs_; }
  [[nodiscard]] const TextPane& details() const { return details_; }
  [[nodiscard]] const TextPane& environment() const { return environment_; }
  [[nodiscard]] Pane focus() const { return focus_; }
  // The pane below the list; in a wide layout the second pane.
  [[nodiscard]] Pane below() const { return below_; }
  [[nodiscard]] Prompt prompt() const { return prompt_; }
  [[nodiscard]] const std::string& typed() const { return typed_; }
  [[nodiscard]] const std::optional<Question>& question() const { return question_; }
  [[nodiscard]] const Message& message() const { return message_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::vector<std::string>& in_progress() const { return in_progress_; }
  [[nodiscard]] bool shows_help() const { return help_; }

 private:
  void handle_prompt(const Input& input);
  void handle_question(const Input& input);
  void handle_click(const Input& input);
  void handle_character(const std::string& text);
  void handle_movement(Input::Kind kind);
  void escape();
  void begin(Verb verb);
  void scale(int difference);
  void ask(std::string text, std::optional<Action> one, std::optional<Action> all);
  void perform(std::optional<Action> action);
  void begin_prompt(Prompt prompt);
  void typed_changed();
  void set_focus(Pane pane);
  void move_focus(int step);
  void scroll(Pane pane, long lines);
  void next_order();
  void reverse_order();
  void next_match(bool upwards);
  void selection_may_have_changed();
  [[nodiscard]] int height_of(Pane pane) const;

  Size size_;
  InstanceList list_;
  LogLines logs_;
  TextPane details_;
  TextPane environment_;
  int detailed_id_ = -1;  // whose details and logs are shown
  Pane focus_ = Pane::list;
  Pane below_ = Pane::logs;
  bool zoomed_ = false;
  bool help_ = false;
  bool quit_ = false;
  Prompt prompt_ = Prompt::none;
  std::string typed_;
  std::optional<Question> question_;
  std::optional<Action> action_;
  Message message_;
  std::string problem_;
  std::vector<std::string> in_progress_;
};

}  // namespace pmx::cli::monit
