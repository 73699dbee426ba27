#include "daemon/os/sqlite_store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/sys/file.h"
#include "daemon/os/record_json.h"

namespace pmx {
namespace {

constexpr int kSchemaVersion = 1;
constexpr auto kRetryAfter = std::chrono::seconds(1);

constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS app (id INTEGER PRIMARY KEY, spec TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS instance (pm_id INTEGER PRIMARY KEY, app_id INTEGER NOT NULL, record TEXT NOT NULL);
)";

// Best effort: a pid file that cannot be written is no reason to do anything else differently.
void write_files(const std::map<std::string, std::optional<std::string>>& files) {
  for (const auto& [path, content] : files) {
    if (!content) {
      std::remove(path.c_str());
    } else if (std::FILE* file = std::fopen(path.c_str(), "we")) {
      std::fwrite(content->data(), 1, content->size(), file);
      std::fclose(file);
    }
  }
}

void move_file(const std::string& from, const std::string& to) {
  std::error_code ignored;  // -wal and -shm may not exist
  std::filesystem::rename(from, to, ignored);
}

// As SqliteStore::write() does it in the file.
void apply(const RecordChanges& changes, StoredState& state) {
  for (const auto& [id, record] : changes.apps) {
    std::erase_if(state.apps, [&](const AppRecord& app) { return app.id == id; });
    if (record) {
      state.apps.push_back(*record);
    } else {
      std::erase_if(state.instances, [&](const InstanceRecord& one) { return one.app_id == id; });
    }
  }
  for (const auto& [pm_id, record] : changes.instances) {
    std::erase_if(state.instances, [&](const InstanceRecord& one) { return one.pm_id == pm_id; });
    if (record) state.instances.push_back(*record);
  }
  std::ranges::sort(state.apps, {}, &AppRecord::id);
  std::ranges::sort(state.instances, {}, &InstanceRecord::pm_id);
}

}  // namespace

SqliteStore::SqliteStore(std::string path, Post post, Report report, Keep keep)
    : path_(std::move(path)),
      post_(std::move(post)),
      report_(std::move(report)),
      keep_(std::move(keep)) {}

SqliteStore::~SqliteStore() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SqliteStore::take_unwritten(int fd) {
  try {
    kept_ = sys::read_from_start(fd);
    pending_.records = changes_from_text(kept_);
  } catch (const std::exception& error) {
    remarks_.push_back(
        fmt::format("what {} had no room for is unreadable: {}", path_, error.what()));
  }
}

// A file that has no room beside it is not damaged: to put it aside would lose the list.
void SqliteStore::throw_if_out_of_room(const std::exception& error) const {
  const auto* const system = dynamic_cast<const std::system_error*>(&error);
  const auto* const sqlite = dynamic_cast<const SQLite::Exception*>(&error);
  bool is_out = system != nullptr && system->code() == std::errc::no_space_on_device;
  if (sqlite != nullptr) {
    const int code = sqlite->getExtendedErrorCode();
    is_out = sqlite->getErrorCode() == SQLITE_FULL || sqlite->getErrorCode() == SQLITE_NOMEM ||
             code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMOPEN ||
             code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMMAP;
  }
  if (is_out)
    throw Error(ErrorCode::unavailable,
                fmt::format("cannot open {}: {}; is there room left?", path_, error.what()));
}

StoredState SqliteStore::load() {
  StoredState state;
  const bool is_new = !std::filesystem::exists(path_);
  try {
    open();
    state = read();
  } catch (const std::exception& error) {
    throw_if_out_of_room(error);
    put_aside(error.what());
    try {
      std::error_code none;
      if (std::filesystem::copy_file(path_ + ".bak", path_, none)) {
        open();
        state = read();
        remarks_.push_back(fmt::format("the last good copy {}.bak is used instead", path_));
      } else {
        open();
      }
    } catch (const std::exception&) {
      put_aside("the copy is damaged as well");
      try {
        open();
      } catch (const std::exception& last) {
        throw Error(ErrorCode::permission, fmt::format("cannot create {}: {}", path_, last.what()));
      }
    }
  }
  state.is_new = is_new;
  apply(pending_.records, state);
  state.remarks = std::move(remarks_);

  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals belong to the control thread
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return state;
}

void SqliteStore::open() {
  // Made here for its mode, which SQLite gives to the files beside it: a umask is every thread's.
  // Closed before SQLite opens it: a later close would take its locks away.
  UniqueFd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) throw std::system_error(errno, std::generic_category(), "open " + path_);
  const std::optional<sys::FileId> id = sys::file_id(file.get());
  file.reset();
  database_ =
      std::make_unique<SQLite::Database>(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database_->setBusyTimeout(1000);
  const std::string health = database_->execAndGet("PRAGMA quick_check(1)").getString();
  if (health != "ok") throw std::runtime_error(health);
  const int version = database_->execAndGet("PRAGMA user_version").getInt();
  if (version > kSchemaVersion) {
    throw std::runtime_error(fmt::format(
        "it was written by a newer pmx (schema {}, this one knows {})", version, kSchemaVersion));
  }
  database_->exec("PRAGMA journal_mode=WAL");
  database_->exec("PRAGMA synchronous=FULL");
  database_->exec(kSchema);
  if (version != kSchemaVersion)
    database_->exec(fmt::format("PRAGMA user_version={}", kSchemaVersion));
  const std::optional<sys::FileId> wal = sys::file_id(path_ + "-wal");
  const std::lock_guard lock(mutex_);
  file_ = id;
  wal_ = wal;
}

bool SqliteStore::has_its_file() {
  const std::optional<sys::FileId> there = sys::file_id(path_);
  const std::optional<sys::FileId> wal = sys::file_id(path_ + "-wal");
  const std::lock_guard lock(mutex_);
  return file_ && wal_ && there == file_ && wal == wal_;
}

void SqliteStore::renew() {
  const std::lock_guard lock(mutex_);
  pending_.renew = true;
  wake_.notify_one();
}

void SqliteStore::open_anew() {
  if (database_ && has_its_file()) return;
  put_aside("a part of it was removed or replaced");
  for (const std::string& remark : std::exchange(remarks_, {}))
    post_([this, remark] { report_(remark); });
  // A log without its database must not be taken for the new one's.
  for (const char* part : {"-wal", "-shm"}) std::remove((path_ + part).c_str());
  in_backup_.clear();
  open();
}

StoredState SqliteStore::read() {
  StoredState state;
  SQLite::Statement apps(*database_, "SELECT id, spec FROM app ORDER BY id");
  while (apps.executeStep()) {
    const auto id = static_cast<std::uint64_t>(apps.getColumn(0).getInt64());
    try {
      state.apps.push_back({id, spec_from_text(apps.getColumn(1).getString())});
    } catch (const std::exception& error) {
      // One bad record costs one app, not the list.
      remarks_.push_back(
          fmt::format("app record {} is unreadable and left out: {}", id, error.what()));
    }
  }
  SQLite::Statement instances(*database_, "SELECT pm_id, record FROM instance ORDER BY pm_id");
  while (instances.executeStep()) {
    try {
      state.instances.push_back(record_from_text(instances.getColumn(1).getString()));
    } catch (const std::exception& error) {
      remarks_.push_back(fmt::format("instance record {} is unreadable and left out: {}",
                                     instances.getColumn(0).getInt(), error.what()));
    }
  }
  return state;
}

void SqliteStore::put_aside(const std::string& why) {
  database_.reset();
  std::error_code none;
  if (!std::filesystem::exists(path_, none)) return;
  const std::string name =
      fmt::format("{}.damaged-{:%Y%m%d-%H%M%S}", path_, fmt::gmtime(std::time(nullptr)));
  for (const char* part : {"", "-wal", "-shm"}) move_file(path_ + part, name + part);
  remarks_.push_back(fmt::format("{} could not be used ({}); it is kept as {}", path_, why, name));
}

void SqliteStore::put_app(AppRecord record) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = record.id;
  pending_.records.apps[id] = std::move(record);
  wake_.notify_one();
}

void SqliteStore::put_instance(InstanceRecord record) {
  const std::lock_guard lock(mutex_);
  const int id = record.pm_id;
  pending_.records.instances[id] = std::move(record);
  wake_.notify_one();
}

void SqliteStore::remove_app(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  pending_.records.apps[id] = std::nullopt;
  wake_.notify_one();
}

void SqliteStore::remove_instance(int pm_id) {
  const std::lock_guard lock(mutex_);
  pending_.records.instances[pm_id] = std::nullopt;
  wake_.notify_one();
}

void SqliteStore::put_file(const std::string& path, std::optional<std::string> content) {
  const std::lock_guard lock(mutex_);
  pending_.files[path] = std::move(content);
  wake_.notify_one();
}

void SqliteStore::commit(std::function<void()> done) {
  const std::lock_guard lock(mutex_);
  pending_.waiting.push_back(std::move(done));
  wake_.notify_one();
}

void SqliteStore::run() {
  bool failing = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (failing) {
      wake_.wait_for(lock, kRetryAfter, [this] { return stop_; });
    } else {
      wake_.wait(lock, [this] { return stop_ || !pending_.empty(); });
    }
    if (pending_.empty() && stop_) return;
    Pending batch = std::exchange(pending_, Pending{});
    lock.unlock();
    std::vector<std::function<void()>> waiting = std::exchange(batch.waiting, {});
    bool written = true;
    // Changed often: what instances do. Changed rarely, and worth a copy: which ones there are.
    bool list_changed = !batch.records.apps.empty();
    for (const auto& [id, record] : batch.records.instances) {
      list_changed =
          (record ? in_backup_.insert(id).second : in_backup_.erase(id) != 0) || list_changed;
    }
    try {
      if (batch.renew || !database_) open_anew();
      write(batch.records);
      forget_unwritten();
      if (std::exchange(failing, false)) {
        post_([this] {
          trouble_.clear();
          report_("state is written again");
        });
      }
    } catch (const std::exception& error) {
      written = false;
      keep_unwritten(batch.records);
      if (!std::exchange(failing, true)) {
        post_([this, text = fmt::format("cannot write {}: {}", path_, error.what())] {
          trouble_ = text;
          report_(text + "; it is tried again every second");
        });
      }
    }
    if (written && list_changed) back_up();
    for (std::function<void()>& done : waiting) post_(std::move(done));
    write_files(batch.files);
    lock.lock();
    if (!written) {
      if (stop_) return;
      put_back(std::move(batch));
    }
  }
}

void SqliteStore::put_back(Pending batch) {
  pending_.records.apps.merge(batch.records.apps);
  pending_.records.instances.merge(batch.records.instances);
  pending_.renew = pending_.renew || batch.renew;
}

void SqliteStore::keep_unwritten(const RecordChanges& changes) {
  try {
    std::string text = text_of(changes);
    if (text == kept_) return;
    // A new file each time: who is killed while writing leaves the one before.
    const auto file = std::make_shared<UniqueFd>(sys::memory_file("pmx-unwritten", text));
    kept_ = std::move(text);
    post_([this, file] { keep_(std::move(*file)); });
  } catch (const std::exception& error) {
    post_([this, text = fmt::format("what is not written is lost if this daemon dies: {}",
                                    error.what())] { report_(text); });
  }
}

void SqliteStore::forget_unwritten() {
  if (kept_.empty()) return;
  kept_.clear();
  post_([this] { keep_(UniqueFd()); });
}

void SqliteStore::write(const RecordChanges& changes) {
  if (changes.empty()) return;
  SQLite::Transaction transaction(*database_);
  SQLite::Statement put_app(*database_, "INSERT OR REPLACE INTO app (id, spec) VALUES (?, ?)");
  SQLite::Statement drop_app(*database_, "DELETE FROM app WHERE id = ?");
  SQLite::Statement drop_members(*database_, "DELETE FROM instance WHERE app_id = ?");
  for (const auto& [id, record] : changes.apps) {
    const auto key = static_cast<std::int64_t>(id);
    if (record) {
      put_app.bind(1, key);
      put_app.bind(2, text_of(record->spec));
      put_app.exec();
      put_app.reset();
    } else {
      for (SQLite::Statement* statement : {&drop_app, &drop_members}) {
        statement->bind(1, key);
        statement->exec();
        statement->reset();
      }
    }
  }
  SQLite::Statement put_instance(
      *database_, "INSERT OR REPLACE INTO instance (pm_id, app_id, record) VALUES (?, ?, ?)");
  SQLite::Statement drop_instance(*database_, "DELETE FROM instance WHERE pm_id = ?");
  for (const auto& [id, record] : changes.instances) {
    if (record) {
      put_instance.bind(1, id);
      put_instance.bind(2, static_cast<std::int64_t>(record->app_id));
      put_instance.bind(3, text_of(*record));
      put_instance.exec();
      put_instance.reset();
    } else {
      drop_instance.bind(1, id);
      drop_instance.exec();
      drop_instance.reset();
    }
  }
  transaction.commit();
}

void SqliteStore::back_up() {
  const std::string temporary = path_ + ".bak.new";
  try {
    std::remove(temporary.c_str());
    SQLite::Statement statement(*database_, "VACUUM INTO ?");
    statement.bind(1, temporary);
    statement.exec();
    ::chmod(temporary.c_str(), 0600);
    move_file(temporary, path_ + ".bak");
  } catch (const std::exception& error) {
    post_([this, text = fmt::format("cannot write {}.bak: {}", path_, error.what())] {
      report_(text);
    });
  }
}

}  // namespace pmx
