// SpliceLogSink: the real LogSink. One thread moves bytes from pipes to files inside the kernel
// (splice), so an app's output costs no copy and nothing of it is ever held in this process. Only
// what is to be written line by line (LogStyle) is looked at.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/ports/log_sink.h"

namespace pmx {

class SpliceLogSink final : public LogSink {
 public:
  // Hands a function to the control thread; called from the log thread and from the control thread.
  using Post = std::function<void(std::function<void()>)>;
  // Told, on the control thread, what an operator should know: a file cannot be written, is written
  // again, bytes were dropped.
  using Report = std::function<void(std::string)>;

  // Told, on the control thread, what LogPump::Trouble says.
  using Trouble = std::function<void(int pm_id, const std::string& problem, std::uint64_t dropped)>;

  // Throws std::system_error if the thread or its descriptors cannot be had.
  SpliceLogSink(Post post, Report report, Trouble trouble = {});
  // Moves once what the pipes hold, posts every `done` still owed, ends the thread.
  ~SpliceLogSink() override;

  void attach(int pm_id, UniqueFd out, UniqueFd error, const std::string& out_path,
              const std::string& error_path, const LogStyle& style) override;
  void end_line(int pm_id) override;
  // Against a file that cannot be written: tries for 2 s at most, then reports how many bytes it
  // dropped.
  void detach(int pm_id, Done done) override;
  // Waits as long as the file cannot be written.
  void drain(int pm_id, Done done) override;
  void end_of(const std::string& path, std::function<void(std::uint64_t)> done) override;
  void read(const std::string& path, std::uint64_t offset, std::size_t limit,
            std::function<void(std::string)> done) override;
  void truncate(std::vector<std::string> paths, Done done) override;
  void rotate(std::vector<std::string> paths) override;
  void reopen(Done done) override;
  // Other work with files, on the log thread.
  void run(std::function<void()> work);

 private:
  class Worker;

  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace pmx
