// SqliteStore: the Store in one SQLite file (WAL, synchronous=FULL), written by a thread of its
// own. Pending changes are kept as the latest value per app and instance, so that a stuck disk
// costs bounded memory.
//
// While they cannot be written, the pending changes are in a file in memory, too, which somebody
// else is to keep for the next daemon: no change that was committed is lost with this process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/sys/file.h"
#include "daemon/os/record_json.h"
#include "daemon/ports/store.h"

namespace SQLite {
class Database;
}

namespace pmx {

class SqliteStore : public Store {
 public:
  using Post = std::function<void(std::function<void()>)>;  // runs a function on the control
                                                            // thread; any thread may call it
  using Report = std::function<void(const std::string&)>;   // runs on the control thread

  // Runs on the control thread: keeps the file instead of the one before; none: no longer needed.
  using Keep = std::function<void(UniqueFd)>;

  // `path` gets two companions: `path`.bak, the last good copy, and `path`.damaged-<time>, what
  // could not be read.
  SqliteStore(std::string path, Post post, Report report, Keep keep);
  // Writes what is pending.
  ~SqliteStore() override;

  // What an earlier daemon could not write (a kept file); before load().
  void take_unwritten(int fd);

  // An unreadable or newer file is put aside under another name and the last good copy takes its
  // place; `remarks` says so. Throws Error(permission) if no file can be made at all,
  // Error(unavailable) if there is no room: then nothing was changed.
  StoredState load() override;
  void put_app(AppRecord record) override;
  void put_instance(InstanceRecord record) override;
  void remove_app(std::uint64_t id) override;
  void remove_instance(int pm_id) override;
  void put_file(const std::string& path, std::optional<std::string> content) override;
  void commit(std::function<void()> done) override;
  [[nodiscard]] std::string trouble() const override { return trouble_; }

  // False: the file has been removed or replaced, and SQLite writes on into the one without a name.
  [[nodiscard]] bool has_its_file();
  // Opens the file anew if it has lost it; what is there instead is put aside. Everything must be
  // put again afterwards.
  void renew();

 private:
  struct Pending {
    RecordChanges records;
    std::map<std::string, std::optional<std::string>> files;
    std::vector<std::function<void()>> waiting;
    bool renew = false;
    [[nodiscard]] bool empty() const {
      return records.empty() && files.empty() && waiting.empty() && !renew;
    }
  };

  void open();
  StoredState read();
  void throw_if_out_of_room(const std::exception& error) const;
  void put_aside(const std::string& why);
  void open_anew();
  void run();
  void write(const RecordChanges& changes);
  // Of the store's thread: has what could not be written kept, or no longer.
  void keep_unwritten(const RecordChanges& changes);
  void forget_unwritten();
  void back_up();
  // What failed to be written becomes pending again, unless there is something newer.
  void put_back(Pending batch);

  std::string path_;
  Post post_;
  Report report_;
  Keep keep_;
  std::unique_ptr<SQLite::Database> database_;
  std::vector<std::string> remarks_;
  std::string trouble_;      // of the control thread
  std::string kept_;         // text of what is being kept; of the store's thread
  std::set<int> in_backup_;  // ids of instances; of the store's thread

  std::mutex mutex_;
  std::condition_variable wake_;
  Pending pending_;
  std::optional<sys::FileId> file_;  // the one that is open
  std::optional<sys::FileId> wal_;   // its log
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace pmx
