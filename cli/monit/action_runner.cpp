#include "cli/monit/action_runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "common/base/error.h"

namespace pmx::cli::monit {
namespace {

std::string text_of(const Error& error) {
  return error.hint().empty() ? error.what() : fmt::format("{} ({})", error.what(), error.hint());
}

// What is wrong with the instances that were acted on; empty: nothing.
std::string problem_of(const std::vector<InstanceStatus>& instances) {
  for (const InstanceStatus& one : instances) {
    if (one.state == InstanceState::errored)
      return fmt::format("{} ({}) is errored: {}", one.name, one.pm_id, one.reason);
  }
  return {};
}

}  // namespace

void ActionRunner::start(Action action) {
  try {
    if (running_.size() >= kMost)
      throw Error(ErrorCode::busy, fmt::format("{} actions are in progress already", kMost));
    std::optional<Client> client = Client::connect(socket_path_);
    if (!client) throw Error(ErrorCode::unavailable, "the daemon does not run");
    ask(action, *client);
    running_.push_back(
        std::make_unique<Running>(Running{std::move(action), std::move(*client), {}}));
  } catch (const Error& error) {
    refused_.push_back(
        {fmt::format("{} {}: {}", words_of(action.verb).name, action.subject, text_of(error)),
         true});
  }
}

void ActionRunner::ask(const Action& action, Client& client) {
  switch (action.verb) {
    case Verb::stop:
      return client.ask<protocol::Stop>({action.target});
    case Verb::restart:
      return client.ask<protocol::Restart>({.target = action.target, .env = std::nullopt});
    case Verb::reload:
      return client.ask<protocol::Reload>(
          {action.target, std::nullopt, std::nullopt, std::nullopt});
    case Verb::remove:
      return client.ask<protocol::Delete>({action.target});
    case Verb::scale:
      return client.ask<protocol::Scale>(
          {.name = action.target, .count = action.difference, .relative = true});
  }
}

std::optional<ActionRunner::Outcome> ActionRunner::outcome_of(Running& running) {
  const Action& action = running.action;
  const auto succeeded = [&](const std::vector<std::string>& notes, const std::string& problem) {
    std::string text = fmt::format("{} {}", words_of(action.verb).done, action.subject);
    if (!notes.empty()) text += fmt::format("; {}", fmt::join(notes, "; "));
    if (!problem.empty()) text = fmt::format("{}, but {}", text, problem);
    return Outcome{std::move(text), !problem.empty()};
  };
  const auto on_progress = [&](const protocol::Progress& progress) {
    running.progress = fmt::format("{} ({}): {}", progress.name, progress.pm_id, progress.text);
  };
  const auto acted = [&](std::optional<protocol::ActedResponse> answer) -> std::optional<Outcome> {
    if (!answer) return std::nullopt;
    return succeeded(answer->notes,
                     action.verb == Verb::remove ? "" : problem_of(answer->instances));
  };
  try {
    switch (action.verb) {
      case Verb::stop:
        return acted(running.client.answer<protocol::Stop>(on_progress));
      case Verb::restart:
        return acted(running.client.answer<protocol::Restart>(on_progress));
      case Verb::reload:
        return acted(running.client.answer<protocol::Reload>(on_progress));
      case Verb::remove:
        return acted(running.client.answer<protocol::Delete>(on_progress));
      case Verb::scale: {
        const auto answer = running.client.answer<protocol::Scale>(on_progress);
        if (!answer) return std::nullopt;
        return succeeded({}, problem_of(answer->instances));
      }
    }
  } catch (const Error& error) {
    return Outcome{
        fmt::format("{} {}: {}", words_of(action.verb).name, action.subject, text_of(error)), true};
  }
  return std::nullopt;
}

std::vector<std::string> ActionRunner::in_progress() const {
  std::vector<std::string> texts;
  for (const auto& running : running_) {
    std::string text =
        fmt::format("{} {}", words_of(running->action.verb).doing, running->action.subject);
    if (!running->progress.empty()) text += ": " + running->progress;
    texts.push_back(std::move(text));
  }
  return texts;
}

void ActionRunner::add_to_poll(std::vector<pollfd>& descriptors) const {
  for (const auto& running : running_) descriptors.push_back({running->client.fd(), POLLIN, 0});
}

std::vector<ActionRunner::Outcome> ActionRunner::on_ready() {
  std::vector<Outcome> outcomes = std::exchange(refused_, {});
  std::erase_if(running_, [&](const std::unique_ptr<Running>& running) {
    std::optional<Outcome> outcome = outcome_of(*running);
    if (outcome) outcomes.push_back(std::move(*outcome));
    return outcome.has_value();
  });
  return outcomes;
}

}  // namespace pmx::cli::monit
