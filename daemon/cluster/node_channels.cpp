#include "daemon/cluster/node_channels.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "daemon/cluster/app_messages.h"
#include "daemon/cluster/node_primary.h"

namespace pmx {
namespace {

// The note begins with how often the worker has been adopted: each daemon counts its frames from a
// range of its own.
class NodeWorker : public WorkerChannel {
 public:
  NodeWorker(asio::io_context& io, UniqueFd fd, const WorkerIdentity& identity,
             ListenerSet& listeners, ConnectionHandout& handout, std::string_view note,
             ChannelEvents events)
      : adoptions_(note.empty() ? 0 : adoptions_in(note) + 1),
        primary_(io, std::move(fd), identity, listeners, handout, worker_events(std::move(events)),
                 adoptions_ * NodePrimary::kSequenceStep) {
    const std::size_t separator = note.find('|');
    if (separator != std::string_view::npos) primary_.restore(note.substr(separator + 1));
  }

  bool send_message(std::string_view json) override { return primary_.send_message(json); }
  bool request_action(std::string_view action, const std::optional<std::string>& param,
                      std::string_view app) override {
    return primary_.send_message(action_request(action, param, app));
  }
  bool disconnect(bool keep_channel) override { return primary_.disconnect(keep_channel); }
  [[nodiscard]] bool closed() const override { return primary_.closed(); }
  [[nodiscard]] std::string note() const override {
    return std::to_string(adoptions_) + '|' + primary_.snapshot();
  }

 private:
  static std::int64_t adoptions_in(std::string_view note) {
    std::int64_t count = 0;
    std::from_chars(note.data(), note.data() + note.size(), count);
    return count;
  }

  static WorkerEvents worker_events(ChannelEvents events) {
    WorkerEvents mapped;
    if (events.on_listening) {
      mapped.on_listening = [call = std::move(events.on_listening)](std::string_view, int) {
        call();
      };
    }
    if (events.on_closed)
      mapped.on_closed = [call = std::move(events.on_closed)](std::string_view) { call(); };
    if (events.on_message) {
      mapped.on_message = [any = std::move(events.on_any_message),
                           call = std::move(events.on_message),
                           tell = std::move(events.on_app_message)](std::string_view json) {
        if (any) any(json);
        std::optional<AppMessage> message = tell ? app_message(json) : std::nullopt;
        if (message) {
          tell(*std::move(message));
        } else {
          call(json);
        }
      };
    }
    mapped.on_drained = std::move(events.on_drained);
    mapped.on_snapshot_changed = std::move(events.on_note_changed);
    mapped.on_problem = std::move(events.on_problem);
    return mapped;
  }

  std::int64_t adoptions_;
  NodePrimary primary_;
};

}  // namespace

std::unique_ptr<WorkerChannel> NodeChannels::open(UniqueFd fd, const WorkerIdentity& identity,
                                                  std::string_view note, ChannelEvents events) {
  return std::make_unique<NodeWorker>(io_, std::move(fd), identity, listeners_, handout_, note,
                                      std::move(events));
}

}  // namespace pmx
