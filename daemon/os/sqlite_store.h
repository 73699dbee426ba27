// SqliteStore: the Store in one SQLite file (WAL, synchronous=FULL), written by a thread of its
// own. Pending changes are kept as the latest value per app and instance, so that a stuck disk
// costs bounded memory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/sys/file.h"
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

  // `path` gets two companions: `path`.bak, the last good copy, and `path`.damaged-<time>, what
  // could not be read.
  SqliteStore(std::string path, Post post, Report report);
  // Writes what is pending.
  ~SqliteStore() override;

  // An unreadable or newer file is put aside under another name and the last good copy takes its
  // place; `remarks` says so. Throws Error(permission) if no file can be made at all.
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
    std::map<std::uint64_t, std::optional<AppRecord>> apps;  // nullopt: remove
    std::map<int, std::optional<InstanceRecord>> instances;
    std::map<std::string, std::optional<std::string>> files;
    std::vector<std::function<void()>> waiting;
    bool renew = false;
    [[nodiscard]] bool empty() const {
      return apps.empty() && instances.empty() && files.empty() && waiting.empty() && !renew;
    }
  };

  void open();
  StoredState read();
  void put_aside(const std::string& why);
  void open_anew();
  void run();
  void write(const Pending& batch);
  void back_up();
  // What failed to be written becomes pending again, unless there is something newer.
  void put_back(Pending batch);

  std::string path_;
  Post post_;
  Report report_;
  std::unique_ptr<SQLite::Database> database_;
  std::vector<std::string> remarks_;
  std::string trouble_;      // of the control thread
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
