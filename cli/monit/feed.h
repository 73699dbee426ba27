// Feed: what the daemon says about all instances, asked for again and again over one connection, and
// about one of them in detail. Connects again when the daemon has gone; starts none.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"

namespace pmx::cli::monit {

class Feed {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Feed(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  // Asks for everything, unless the daemon has yet to answer the last question. Once in an interval
  // of the caller's.
  void ask(Clock::time_point now);
  // Whose details are wanted: `target` as a command takes it, its instance `pm_id`.
  void want_detail(int pm_id, const std::string& target);

  // For poll(2); -1: not connected.
  [[nodiscard]] int fd() const { return client_ ? client_->fd() : -1; }
  void on_ready();

  // What has come since the last call.
  std::optional<std::vector<InstanceStatus>> take_instances() {
    return std::exchange(instances_, std::nullopt);
  }
  std::optional<InstanceStatus> take_detail() { return std::exchange(detail_, std::nullopt); }
  // Why nothing comes; empty: all is well.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  enum class Waiting { nothing, list, detail };

  bool connect();
  void ask_detail();
  void take_answer();

  std::string socket_path_;
  std::optional<Client> client_;
  Waiting waiting_ = Waiting::nothing;
  Clock::time_point asked_at_;
  int wanted_id_ = -1;
  std::string wanted_target_;
  int asked_id_ = -1;
  std::optional<std::vector<InstanceStatus>> instances_;
  std::optional<InstanceStatus> detail_;
  std::string problem_;
};

}  // namespace pmx::cli::monit
