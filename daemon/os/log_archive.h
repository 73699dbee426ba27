// LogArchive: looks after log files that were put aside: compresses them, removes the oldest. On a
// thread of its own with the lowest priority, which begins with the first file: no log waits for it.
//
// What it is to do is seen from the files that are there, so one that a daemon before has left half
// done is done with the next.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace pmx {

class LogArchive {
 public:
  // `report` is called on the archive's thread.
  using Report = std::function<void(std::string)>;

  explicit LogArchive(Report report);
  // Ends the thread; a compression that goes on is given up, its file stays as it was.
  ~LogArchive();

  // Of those that `path` was put aside to, the last `retain` stay. Returns at once; asked for twice
  // before it is done, it is done once.
  void tidy(const std::string& path, int retain, bool compress);

 private:
  class Worker;

  Report report_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace pmx
