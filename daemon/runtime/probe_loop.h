// ProbeLoop: asks a question, and again, until it is told not to.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/ports/prober.h"

namespace pmx {

class ProbeLoop {
 public:
  // As Prober::ask.
  using Ask = std::function<std::unique_ptr<PendingProbe>(
      std::function<void(const std::string& problem)> done)>;
  // Told each answer (empty: good); returns when to ask again, nullopt: never. It may destroy this.
  using OnAnswer = std::function<std::optional<Millis>(const std::string& problem)>;

  ProbeLoop(asio::io_context& io, Ask ask, Millis first_after, OnAnswer on_answer);

 private:
  void ask_after(Millis delay);
  void ask();

  Ask ask_;
  OnAnswer on_answer_;
  asio::steady_timer timer_;
  std::unique_ptr<PendingProbe> pending_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
