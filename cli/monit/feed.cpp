#include "cli/monit/feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"

namespace pmx::cli::monit {
namespace {

constexpr auto kPatience = std::chrono::seconds(3);

}  // namespace

bool Feed::connect() {
  if (client_) return true;
  try {
    client_ = Client::connect(socket_path_);
    if (!client_) problem_ = "the daemon does not run; waiting for it";
  } catch (const Error& error) {
    problem_ = error.what();
  }
  return client_.has_value();
}

void Feed::ask(Clock::time_point now) {
  if (!connect()) return;
  if (waiting_ != Waiting::nothing) {
    if (now - asked_at_ > kPatience) problem_ = "the daemon does not answer; waiting for it";
    return;
  }
  asked_at_ = now;
  waiting_ = Waiting::list;
  client_->ask<protocol::List>({});
}

void Feed::want_detail(int pm_id, const std::string& target) {
  if (wanted_id_ == pm_id) return;
  wanted_id_ = pm_id;
  wanted_target_ = target;
  if (client_ && waiting_ == Waiting::nothing) ask_detail();
}

void Feed::ask_detail() {
  if (wanted_id_ < 0) return;
  asked_id_ = wanted_id_;
  waiting_ = Waiting::detail;
  client_->ask<protocol::List>({.target = wanted_target_, .detail = true});
}

void Feed::on_ready() {
  try {
    take_answer();
  } catch (const Error& error) {
    const bool has_gone = error.code() == ErrorCode::unavailable;
    const bool was_detail = std::exchange(waiting_, Waiting::nothing) == Waiting::detail;
    if (has_gone) {
      client_.reset();
      problem_ = "the daemon has gone; waiting for it";
    } else if (!was_detail) {
      // Of the one in detail: it has been deleted meanwhile, the next list says so.
      problem_ = error.what();
    }
  }
}

void Feed::take_answer() {
  std::optional<protocol::List::Response> answer = client_->answer<protocol::List>();
  if (!answer) return;
  const Waiting was = std::exchange(waiting_, Waiting::nothing);
  problem_.clear();
  if (was == Waiting::list) {
    instances_ = std::move(answer->instances);
    return ask_detail();
  }
  const auto found =
      std::find_if(answer->instances.begin(), answer->instances.end(),
                   [&](const InstanceStatus& one) { return one.pm_id == asked_id_; });
  if (found != answer->instances.end()) detail_ = std::move(*found);
  // Another one was selected meanwhile.
  if (asked_id_ != wanted_id_) ask_detail();
}

}  // namespace pmx::cli::monit
