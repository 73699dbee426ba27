// Instance: what an app tells about itself, and what it is told: actions, messages, lines.
#include <fmt/format.h>

#include <utility>
#include <variant>

#include "common/base/overloaded.h"
#include "daemon/runtime/instance.h"

namespace pmx {
void Instance::app_message(std::uint32_t generation, AppMessage message) {
  Incarnation* incarnation = find(generation);
  if (incarnation == nullptr) return;
  CustomReports& reports = incarnation->reports;
  const std::uint64_t refused = reports.report().refused;
  bool new_action = false;
  bool answered = false;
  std::visit(Overloaded{
                 [&](CustomAction& action) { new_action = reports.offer(std::move(action)); },
                 [&](Metrics& told) {
                   for (CustomMetric& metric : told.metrics) reports.set(std::move(metric));
                 },
                 [&](ReportOptions& options) { reports.set_options(std::move(options.json)); },
                 [&](ActionAnswer& answer) {
                   answered = incarnation->calls.answer(answer.action, std::move(answer.json));
                 },
                 [&](Malformed& bad) { reports.refuse(std::move(bad.why)); },
             },
             message);
  if (refused == 0 && reports.report().refused != 0)
    ports_.log(fmt::format("{} ({}): a message of it is not taken: {}; further ones are counted",
                           spec_->name, identity_.pm_id, reports.report().refusal));
  // The next daemon must know who can be asked; metrics come again by themselves.
  if (new_action && incarnation == current_.get()) record();
  if (answered) events_.changed();
}

bool Instance::offers(const std::string& action) const {
  return current_ && !current_->exited && current_->reports.offers(action);
}

std::vector<std::string> Instance::offered_actions() const {
  std::vector<std::string> names;
  if (!current_ || current_->exited) return names;
  for (const CustomAction& action : current_->reports.report().actions)
    names.push_back(action.name);
  return names;
}

std::optional<Instance::ActionCall> Instance::call_action(const std::string& action,
                                                          const std::optional<std::string>& param) {
  if (!current_ || current_->exited || !current_->channel) return std::nullopt;
  const auto number = current_->calls.begin(action);
  if (!number) return std::nullopt;
  if (!current_->channel->request_action(action, param, spec_->name)) {
    current_->calls.end(*number);
    return std::nullopt;
  }
  return ActionCall{current_->run.generation, *number};
}

bool Instance::may_answer(const ActionCall& call) {
  const Incarnation* incarnation = find(call.generation);
  return incarnation != nullptr && !incarnation->exited && incarnation->channel &&
         !incarnation->channel->closed();
}

std::optional<std::string> Instance::answer_of(const ActionCall& call) {
  const Incarnation* incarnation = find(call.generation);
  const std::string* answer =
      incarnation == nullptr ? nullptr : incarnation->calls.answer_of(call.number);
  return answer == nullptr ? std::nullopt : std::optional(*answer);
}

void Instance::end_call(const ActionCall& call) {
  if (Incarnation* incarnation = find(call.generation)) incarnation->calls.end(call.number);
}

std::string Instance::write_input(std::string_view bytes) {
  if (!current_ || current_->exited) return "it does not run";
  switch (ports_.spawner.write_input(current_->run, bytes)) {
    case InputResult::taken:
      return {};
    case InputResult::full:
      return "it does not read its stdin, which is full";
    case InputResult::closed:
      return "it has closed its stdin";
    case InputResult::none:
      break;
  }
  return spec_->job ? "a job's stdin is /dev/null" : "it was started without a stdin";
}

std::string Instance::send_message(std::string_view json) {
  if (!current_ || current_->exited) return "it does not run";
  if (current_->channel && current_->channel->send_message(json)) return {};
  return "it does not take the message: it has no open channel, or does not read it";
}

}  // namespace pmx
