#include "cli/completion/complete.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "cli/command_options.h"
#include "cli/completion/places.h"
#include "common/base/text.h"
#include "common/model/signal_name.h"

namespace pmx::cli {
namespace {

using Words = std::vector<std::string>;
using Beside = Completion::Beside;

bool contains(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void add_commands(Completion& completion) {
  for (const Command& command : all_commands())
    for (const std::string& name : names_of(command))
      completion.candidates.push_back({name, std::string(command.summary)});
}

void add_options(Completion& completion, const std::vector<OptionInfo>& options) {
  for (const OptionInfo& option : options)
    for (const std::string& name : option.names)
      completion.candidates.push_back({name, option.help});
}

void add_signals(Completion& completion) {
  for (int number = 1; number < SIGRTMIN; ++number) {
    const std::string name = signal_name(number);
    if (signal_number(name)) completion.candidates.push_back({name, {}});
  }
}

class Completer {
 public:
  Completer(const std::string& current, const AskForApps& ask) : current_(current), ask_(ask) {}

  // `given`: words at this place that are not offered again.
  Completion of(const std::vector<Alternative>& alternatives, const Words& given) {
    Completion completion;
    bool is_target = false;
    for (const Alternative& one : alternatives) {
      is_target = is_target || one.kind == PlaceKind::target;
      add(completion, one);
    }
    std::erase_if(completion.candidates, [&](const Candidate& candidate) {
      return contains(given, candidate.word) || has_control(candidate.word);
    });
    // A configuration file or the path of a script is a target too.
    if (is_target && std::none_of(completion.candidates.begin(), completion.candidates.end(),
                                  [&](const Candidate& candidate) {
                                    return candidate.word.starts_with(current_);
                                  })) {
      completion.beside = Beside::files;
    }
    return completion;
  }

 private:
  void add(Completion& completion, const Alternative& place) {
    switch (place.kind) {
      case PlaceKind::literal:
        completion.candidates.push_back({place.text, {}});
        break;
      case PlaceKind::target:
        add_values(completion, &RunningApp::name, "app");
        add_values(completion, &RunningApp::name_space, "namespace");
        add_ids(completion);
        if (!apps().empty()) completion.candidates.push_back({"all", "all apps"});
        break;
      case PlaceKind::app_name:
        add_values(completion, &RunningApp::name, "app");
        break;
      case PlaceKind::app_id:
        add_ids(completion);
        break;
      case PlaceKind::name_space:
        add_values(completion, &RunningApp::name_space, "namespace");
        break;
      case PlaceKind::command:
        add_commands(completion);
        break;
      case PlaceKind::signal:
        add_signals(completion);
        break;
      case PlaceKind::file:
        completion.beside = Beside::files;
        break;
      case PlaceKind::directory:
        completion.beside = Beside::directories;
        break;
      case PlaceKind::user:
        completion.beside = Beside::users;
        break;
      case PlaceKind::group:
        completion.beside = Beside::groups;
        break;
      case PlaceKind::unknown:
        break;
    }
  }

  void add_values(Completion& completion, std::string RunningApp::*member, const char* what) {
    std::map<std::string, int> instances;
    for (const RunningApp& app : apps()) ++instances[app.*member];
    for (const auto& [value, count] : instances)
      completion.candidates.push_back(
          {value, count == 1 ? what : fmt::format("{}, {} instances", what, count)});
  }

  void add_ids(Completion& completion) {
    for (const RunningApp& app : apps())
      completion.candidates.push_back({std::to_string(app.id), "id of " + app.name});
  }

  const std::vector<RunningApp>& apps() {
    if (!apps_) apps_ = ask_();
    return *apps_;
  }

  const std::string& current_;
  const AskForApps& ask_;
  std::optional<std::vector<RunningApp>> apps_;
};

const OptionInfo* find_option(const std::vector<OptionInfo>& options, const std::string& name) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const OptionInfo& option) {
    return contains(option.names, name);
  });
  return found == options.end() ? nullptr : &*found;
}

// What has been typed behind the command.
struct Given {
  Words words;                           // no options, no values
  const OptionInfo* awaiting = nullptr;  // the last word: its value comes next
};

Given read_given(const Words& typed, const std::vector<OptionInfo>& options) {
  Given given;
  for (std::size_t i = 0; i < typed.size(); ++i) {
    const std::string& word = typed[i];
    if (word.size() < 2 || word.front() != '-') {
      given.words.push_back(word);
      continue;
    }
    const OptionInfo* option = find_option(options, word);
    if (option == nullptr || option->value != OptionInfo::Value::next_word) continue;
    if (++i == typed.size()) given.awaiting = option;
  }
  return given;
}

std::vector<OptionInfo> options_without_command() {
  std::vector<OptionInfo> options = global_options();
  options.push_back({.names = {"-v", "--version"},
                     .value = OptionInfo::Value::none,
                     .what = {},
                     .help = "print the version"});
  return options;
}

std::vector<OptionInfo> own_first(std::vector<OptionInfo> options) {
  const auto global = static_cast<std::ptrdiff_t>(global_options().size());
  std::rotate(options.begin(), options.begin() + global, options.end());
  return options;
}

// Of those that may stand before any command.
std::vector<OptionInfo> options_of_all_commands() {
  std::vector<OptionInfo> all;
  for (const Command& command : all_commands())
    for (OptionInfo& option : options_of(command)) all.push_back(std::move(option));
  return all;
}

}  // namespace

Completion complete(const Words& before, const std::string& current, const AskForApps& apps) {
  Completion completion;
  if (contains(before, "--")) {  // the app's own arguments
    completion.beside = Beside::files;
    return completion;
  }
  const CommandLine line = split_command_line(before, vocabulary());
  const Command* command = find_command(line.command);
  if (command == nullptr && !line.command.empty()) return completion;
  const std::vector<OptionInfo> options =
      command != nullptr ? options_of(*command) : options_of_all_commands();
  const Given given = read_given(line.words, options);

  Completer completer(current, apps);
  if (given.awaiting != nullptr) return completer.of(alternatives_of(given.awaiting->what), {});
  if (const std::size_t equals = current.find('=');
      current.starts_with("--") && equals != std::string::npos) {
    const OptionInfo* option = find_option(options, current.substr(0, equals));
    if (option == nullptr) return completion;
    completion = completer.of(alternatives_of(option->what), {});
    for (Candidate& candidate : completion.candidates)
      candidate.word.insert(0, current, 0, equals + 1);
    return completion;
  }
  if (current.starts_with('-')) {
    add_options(completion, command != nullptr ? own_first(options) : options_without_command());
    return completion;
  }
  if (command == nullptr) {
    add_commands(completion);
    return completion;
  }
  const std::vector<Place> places = places_of(command->usage);
  if (given.words.size() < places.size())
    return completer.of(places[given.words.size()].alternatives, given.words);
  if (!places.empty() && places.back().repeated)
    return completer.of(places.back().alternatives, given.words);
  return completion;
}

std::string to_string(Completion::Beside beside) {
  switch (beside) {
    case Beside::nothing:
      break;
    case Beside::files:
      return "files";
    case Beside::directories:
      return "directories";
    case Beside::users:
      return "users";
    case Beside::groups:
      return "groups";
  }
  return "nothing";
}

}  // namespace pmx::cli
