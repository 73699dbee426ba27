// Prober: asks an instance, from outside, what its probe says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/model/probe.h"
#include "common/model/process_limits.h"
#include "daemon/ports/spawner.h"

namespace pmx {

struct ProbeQuestion {
  Probe probe;  // tcp, http, unix_stream or exec
  Millis timeout{0};
  std::uint64_t app_id = 0;
  RunId run;  // where instances share a port by slots, this very run is reached
  // What the command of exec is run with.
  Env env = {};
  std::string cwd = {};
  ProcessLimits limits = {};
};

// Destroying it takes the question back.
class PendingProbe {
 public:
  virtual ~PendingProbe() = default;
};

class Prober {
 public:
  virtual ~Prober() = default;
  // `done` is called once, in a turn of the event loop of its own: an empty text if the answer is
  // good, else what happened ("connection refused"). It may destroy the pending probe.
  virtual std::unique_ptr<PendingProbe> ask(
      ProbeQuestion question, std::function<void(const std::string& problem)> done) = 0;
};

}  // namespace pmx
