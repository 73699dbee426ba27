// What InstanceFsm is told and what it asks for. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/model/app_spec.h"
#include "common/model/exit_status.h"

namespace pmx {

// Numbers the incarnations of an instance; 0 = none yet.
using Generation = std::uint64_t;

// Events about a process concern the present incarnation: the caller drops late ones of earlier
// generations, and reports Spawned before anything else about the process.
struct StartRequested {};
struct StopRequested {};
struct RestartRequested {};
struct Spawned {
  Generation generation = 0;
};
struct SpawnFailed {
  std::string text;  // why, in words
};
struct Ready {};
struct ReadyTimedOut {   // the timer of ArmReadyTimer
  std::string why = {};  // what it was waiting for; may be empty
};
struct Exited {  // the main process; `now` is the time it ended, also when that is learned later
  ExitStatus status;
};
struct StopFinished {};  // the whole tree is gone
struct StopFailed {      // survivors remain after the last step
  std::string text;
};
struct RestartDue {};      // the timer of ArmRestartTimer
struct Connected {};       // somebody waits on a socket, after AwaitConnection
struct RestartScheduled {  // by the app's own settings: memory, age, time, changed files
  std::string why;
  bool revive = false;  // also what has ended by itself; never what the operator has stopped
};
struct RunDue {  // a job's time has come
  std::string what;
};
struct RunTimedOut {  // a job's run takes too long
  std::string why;
};
struct Replaced {  // a reload has a ready successor; if ignored, the caller removes it
  Generation generation = 0;
  std::string why = {};  // it was replaced; may be empty
};
using InstanceEvent =
    std::variant<StartRequested, StopRequested, RestartRequested, Spawned, SpawnFailed, Ready,
                 ReadyTimedOut, Exited, StopFinished, StopFailed, RestartDue, Connected,
                 RestartScheduled, RunDue, RunTimedOut, Replaced>;

// Effects are to be performed in order. Timers: one of each kind; arming replaces it.
namespace effect {
struct Spawn {  // answered by Spawned or SpawnFailed
  friend bool operator==(const Spawn&, const Spawn&) = default;
};
struct BeginStop {  // run the StopSequence; answered by StopFinished or StopFailed
  friend bool operator==(const BeginStop&, const BeginStop&) = default;
};
struct SweepLeftovers {  // the main process ended by itself: end its tree, before a Spawn that
                         // follows
  friend bool operator==(const SweepLeftovers&, const SweepLeftovers&) = default;
};
struct ArmRestartTimer {
  Millis delay{0};
  friend bool operator==(const ArmRestartTimer&, const ArmRestartTimer&) = default;
};
struct CancelRestartTimer {
  friend bool operator==(const CancelRestartTimer&, const CancelRestartTimer&) = default;
};
struct ArmReadyTimer {
  Millis delay{0};
  friend bool operator==(const ArmReadyTimer&, const ArmReadyTimer&) = default;
};
struct CancelReadyTimer {
  friend bool operator==(const CancelReadyTimer&, const CancelReadyTimer&) = default;
};
struct AwaitConnection {  // bind the declared sockets; answered by Connected or SpawnFailed
  friend bool operator==(const AwaitConnection&, const AwaitConnection&) = default;
};
struct CancelAwait {
  friend bool operator==(const CancelAwait&, const CancelAwait&) = default;
};
struct Changed {  // publish and persist; before the effects that act on the change
  friend bool operator==(const Changed&, const Changed&) = default;
};
}  // namespace effect
using InstanceEffect =
    std::variant<effect::Spawn, effect::BeginStop, effect::SweepLeftovers, effect::ArmRestartTimer,
                 effect::CancelRestartTimer, effect::ArmReadyTimer, effect::CancelReadyTimer,
                 effect::AwaitConnection, effect::CancelAwait, effect::Changed>;

struct InstanceStep {
  std::vector<InstanceEffect> effects;
  std::string reason;    // why this answer, never empty
  bool ignored = false;  // the event has no meaning in this state; nothing has changed
};

}  // namespace pmx
