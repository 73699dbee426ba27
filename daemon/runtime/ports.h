// Everything the runtime needs from outside, as one value handed down.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/model/app_spec.h"
#include "daemon/policy/time_zone.h"
#include "daemon/ports/bind_watch.h"
#include "daemon/ports/file_watch.h"
#include "daemon/ports/listener_set.h"
#include "daemon/ports/log_sink.h"
#include "daemon/ports/notify_watch.h"
#include "daemon/ports/prober.h"
#include "daemon/ports/process_table.h"
#include "daemon/ports/spawner.h"
#include "daemon/ports/store.h"
#include "daemon/ports/wall_timer.h"
#include "daemon/ports/worker_channel.h"

namespace pmx {

struct InstancePaths {
  std::string out;
  std::string error;
  std::string combined;  // of both streams; empty: none
  std::string pid;
};

struct Ports {
  asio::io_context& io;
  const Clock& clock;
  Spawner& spawner;
  Store& store;
  LogSink& logs;
  ListenerSet& listeners;
  WorkerChannels& channels;
  BindWatches& binds;
  NotifyWatches& notifies;
  Prober& prober;
  ProcessTable& processes;
  FileWatch& files;
  std::string home;             // PMX_HOME
  std::string preload_library;  // libpmx-listen.so; empty: it is not installed
  std::string listen_socket;    // where that asks
  std::string boot_id;
  std::function<InstancePaths(const AppSpec&, int pm_id)> paths;
  std::function<std::string()> new_unique_id;  // UUID
  std::function<std::pair<std::string, std::vector<std::string>>(const AppSpec&, int number)>
      command;  // program and argv of that instance
  // Empty name: the machine's. Throws Error(invalid_spec).
  std::function<TimeZone(const std::string& name)> time_zone = {};
  std::function<std::unique_ptr<WallTimer>(std::function<void()> on_time)> wall_timer = {};
  std::function<void(const std::string&)> log = {};  // one line in the daemon's log
};

}  // namespace pmx
