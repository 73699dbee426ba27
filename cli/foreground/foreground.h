// Foreground: `pmx run` and `pmx start --no-daemon`: a daemon and its apps that live and end with this
// process, also as process 1 of a container.
//
// One loop, driven by events: signals, the keeper's end, the daemon's word that the list has changed,
// the apps' output. The control socket is there as always.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/context.h"
#include "cli/foreground/app_outputs.h"
#include "cli/log_view/log_view.h"

namespace pmx::cli {

struct ForegroundOptions {
  LogFormat format = LogFormat::raw;
  std::string timestamp;   // pattern of the time before each line (prefixed only); empty: none
  bool has_files = false;  // the apps keep their log files, what is shown is read from these
  bool autostart = true;
  bool auto_exit = true;                // when nothing runs, and nothing is going to
  std::optional<std::string> main_app;  // whose end is the end of all, and whose exit code is ours
  std::chrono::milliseconds delay{0};   // before the apps are started
};

class Foreground {
 public:
  Foreground(Context& context, ForegroundOptions options);
  ~Foreground();
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

  // Starts `apps` and stays until they have ended, or a signal has stopped them. Returns the exit code
  // of `main_app` or of the only app; of several 0 if all have ended well, else 2; after a signal 0,
  // unless there is a `main_app`. Throws Error, before any app was started.
  int run(std::vector<AppSpec> apps);

 private:
  enum class Phase { starting, running, stopping, ending, over };

  void add_apps(std::vector<AppSpec> apps);
  void start_apps();
  void wait_and_work();
  void on_signals();
  void forward(const std::string& signal);
  void reap() const;
  void on_keeper_end();
  // The list as it is now: tells what has changed, and ends when there is nothing left to wait for.
  void look();
  void take_news();
  void tell_changes(const std::vector<InstanceStatus>& instances);
  [[nodiscard]] bool is_over();
  [[nodiscard]] std::optional<int> code_of_apps() const;
  void begin_stop();
  void continue_stop();
  void show_files(const protocol::Logs::Response& logs);
  void take_log_files();
  // Connections to a daemon that was started again.
  void reconnect();
  [[nodiscard]] int time_to_wait() const;
  void finish_output();
  void remark(const std::string& text);

  Context& context_;
  ForegroundOptions options_;
  LogViewOptions view_options_;
  Outlet out_;
  Outlet err_;
  LinePrinter printer_;
  LogView view_;
  UniqueFd signals_;
  UniqueFd keeper_;  // pidfd
  std::unique_ptr<AppOutputs> outputs_;
  std::optional<Client> list_;   // says when the list has changed
  std::optional<Client> files_;  // says when the log files have
  std::optional<Client> work_;   // stops
  Phase phase_ = Phase::starting;
  bool is_signalled_ = false;
  std::optional<int> code_;
  std::vector<std::string> names_;
  std::vector<std::string> waiting_names_;  // to be started
  std::vector<InstanceStatus> instances_;
  std::map<int, std::string> told_;  // what was said of an instance last
  std::chrono::steady_clock::time_point start_at_;
  std::optional<std::chrono::steady_clock::time_point> keeper_gone_;
};

}  // namespace pmx::cli
