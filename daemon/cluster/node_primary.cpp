#include "daemon/cluster/node_primary.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <variant>

#include "common/base/overloaded.h"

namespace pmx {
namespace {

// What server.address() shall say.
std::string handout_reply(const node::QueryServer& query, std::int64_t seq, std::string_view data,
                          int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  std::array<char, INET6_ADDRSTRLEN> text{};
  int port = 0;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    if (address.ss_family == AF_INET6) {
      const auto& ip = reinterpret_cast<const sockaddr_in6&>(address);
      ::inet_ntop(AF_INET6, &ip.sin6_addr, text.data(), text.size());
      port = ntohs(ip.sin6_port);
    } else {
      const auto& ip = reinterpret_cast<const sockaddr_in&>(address);
      ::inet_ntop(AF_INET, &ip.sin_addr, text.data(), text.size());
      port = ntohs(ip.sin_port);
    }
  }
  return node::handout_reply(query.seq, seq, query.key, data, text.data(),
                             address.ss_family == AF_INET6 ? 6 : 4, port);
}

bool is_power_of_ten(std::uint64_t number) {
  while (number >= 10 && number % 10 == 0) number /= 10;
  return number == 1;
}

}  // namespace

NodePrimary::NodePrimary(asio::io_context& io, UniqueFd channel, const WorkerIdentity& identity,
                         ListenerSet& listeners, ConnectionHandout& handout, WorkerEvents events,
                         std::int64_t first_seq)
    : identity_(identity),
      listeners_(listeners),
      handout_(handout),
      events_(std::make_shared<const WorkerEvents>(std::move(events))),
      next_seq_(first_seq),
      channel_(io, std::move(channel),
               {[this](std::string_view line, const NodeChannel::Passed& passed) {
                  on_frame(line, passed);
                },
                [this](const NodeChannel::Passed& passed) { on_too_long(passed); },
                [this, events = events_](std::string_view reason) {
                  handout_.leave(*this);
                  if (events->on_closed) events->on_closed(reason);
                }}) {}

NodePrimary::~NodePrimary() { handout_.leave(*this); }

bool NodePrimary::send_message(std::string_view json) {
  std::string line(json);
  // Valid JSON has newlines only between its tokens.
  std::replace(line.begin(), line.end(), '\n', ' ');
  return node::is_user_message(line) && channel_.send(line);
}

bool NodePrimary::disconnect(bool keep_channel) {
  if (!identity_.cluster) return false;
  handout_.leave(*this);
  // Heard by node_drain.cjs only; a worker without it knows no such command and ignores it.
  (void)channel_.send(node::drain_request(keep_channel));
  if (!channel_.send(node::disconnect_request(next_seq_))) return false;
  ++next_seq_;
  expected_exit_ = true;
  changed();
  return true;
}

void NodePrimary::on_frame(std::string_view line, const NodeChannel::Passed& passed) {
  const auto events = events_;
  const node::Frame frame = node::parse_frame(line);
  const bool cluster = identity_.cluster;
  // Whatever the message is, we may not understand it, Node waits for an answer to the descriptor.
  // To one that only looks like Node's frame with a descriptor, any answer is deadly.
  if (passed.any()) on_handle(passed.lost);
  // Nothing of *this may be used after an event (but changed()): it may have destroyed it.
  std::visit(Overloaded{
                 [&](const node::Online&) {
                   if (!cluster) return;
                   online_ = true;
                   changed();
                   if (events->on_online) events->on_online();
                 },
                 [&](const node::QueryServer& query) {
                   if (cluster) answer(query);
                 },
                 [&](const node::Listening& server) {
                   if (!cluster) return;
                   listening_ = true;
                   changed();
                   if (events->on_listening) events->on_listening(server.address, server.port);
                 },
                 [&](const node::Close& close) {
                   if (open_keys_.erase(close.key) == 0) return;
                   handout_.leave(identity_.app_id, close.key, *this);
                   listeners_.release(identity_.app_id, identity_.run, close.key);
                   changed();
                 },
                 [&](const node::ExitedAfterDisconnect& frame_) {
                   if (!cluster) return;
                   if (frame_.seq) channel_.send(node::acknowledgement(*frame_.seq, next_seq_++));
                   expected_exit_ = true;
                   changed();
                 },
                 [&](const node::Drained&) {
                   if (cluster && events->on_drained) events->on_drained();
                 },
                 [&](const node::Accepted& answer) {
                   handout_.answered(identity_.app_id, *this, answer.ack, answer.taken);
                 },
                 [&](const node::HandleFrame& handle) {
                   if (passed.fd && handle.user_message && events->on_message)
                     events->on_message(handle.message);
                 },
                 [&](const node::HandleAck&) {
                   if (!unacknowledged_.empty()) unacknowledged_.pop_front();
                 },
                 [&](const node::HandleNack&) { on_handle_refused(); },
                 [&](const node::UserMessage& message) {
                   if (events->on_message) events->on_message(message.raw);
                 },
                 [](const node::Unknown&) {},
             },
             frame);
}

void NodePrimary::tell(const std::string& problem) {
  if (events_->on_problem) events_->on_problem(problem);
}

// The socket is closed by the caller. Until the answer the worker sends neither messages nor
// handles; a lost one it sends again.
void NodePrimary::on_handle(bool lost) {
  channel_.send(lost ? node::kHandleNack : node::kHandleAck);
  if (lost) {
    if (!std::exchange(told_lost_handle_, true))
      tell(
          "a socket that it sent by process.send() did not arrive: pmx is at its limit of open "
          "files");
    return;
  }
  ++handles_closed_;
  // Told in ever longer steps: an app may do so with every connection.
  if (handles_closed_ == 1) {
    tell("it sent a socket by process.send(): pmx takes none and closed it");
  } else if (is_power_of_ten(handles_closed_)) {
    tell(fmt::format("it sent {} sockets by process.send(): pmx takes none and closed them",
                     handles_closed_));
  }
}

void NodePrimary::on_too_long(const NodeChannel::Passed& passed) {
  if (!std::exchange(told_too_long_, true))
    tell("it sent a message of more than 8 MiB by process.send(): pmx threw it away");
  if (passed.any()) on_handle(passed.lost);
}

void NodePrimary::answer(const node::QueryServer& query) {
  if (query.names_our_fd) {
    tell(
        "listen({fd}) in cluster mode means a descriptor of the primary, and pmx has none for it: "
        "give a port, or use fork mode (-x) and --listen");
    return answer_error(query.seq, EINVAL, query.key, query.data);
  }
  if (open_keys_.count(query.key) > 0)
    return answer_error(query.seq, EADDRINUSE, query.key, query.data);
  if (std::max(open_keys_.size(), unacknowledged_.size()) >= kMaxServers) {
    return answer_error(query.seq, EMFILE, query.key, query.data);
  }

  ListenRequest request = query.request;
  request.balance = identity_.balance;
  const ListenResult socket =
      listeners_.acquire(identity_.app_id, identity_.run, query.key, request);
  if (socket.error != 0) {
    if (!socket.problem.empty()) tell(socket.problem);
    return answer_error(query.seq, socket.error, query.key, query.data);
  }
  std::string data = listeners_.data(identity_.app_id, query.key);
  if (data.empty() && query.data != "null") {
    listeners_.set_data(identity_.app_id, query.key, query.data);
    data = query.data;
  }
  const bool by_handout = socket.balance == Balance::rr;
  const bool sent = by_handout
                        ? channel_.send(handout_reply(query, next_seq_, data, socket.fd))
                        : channel_.send(node::server_reply(query.seq, next_seq_, query.request.kind,
                                                           query.key, data),
                                        socket.fd);
  if (!sent) {
    listeners_.release(identity_.app_id, identity_.run, query.key);
    return answer_error(query.seq, ENOBUFS, query.key, data);
  }
  ++next_seq_;
  open_keys_.insert(query.key);
  if (!by_handout) unacknowledged_.push_back({query.seq, query.key, std::move(data), false});
  changed();
  // Only now: connections must come after the reply.
  if (socket.balance != Balance::shared)
    handout_.join(identity_.app_id, query.key, identity_.run, *this);
}

void NodePrimary::answer_error(std::int64_t ack, int error, std::string_view key,
                               std::string_view data) {
  channel_.send(node::server_error(ack, next_seq_++, error, key, data));
}

void NodePrimary::on_handle_refused() {
  // Its listen() still waits; an error that the app can see beats Node's own primary, which leaves
  // it waiting for ever.
  if (unacknowledged_.empty()) return;
  const Unacknowledged refused = std::move(unacknowledged_.front());
  unacknowledged_.pop_front();
  if (refused.connection) {
    handout_.answered(identity_.app_id, *this, refused.number, false);
    return;
  }
  open_keys_.erase(refused.key);
  handout_.leave(identity_.app_id, refused.key, *this);
  listeners_.release(identity_.app_id, identity_.run, refused.key);
  answer_error(refused.number, EMFILE, refused.key, refused.data);
  changed();
}

std::optional<std::int64_t> NodePrimary::pass_connection(const std::string& key, int fd) {
  const std::int64_t seq = next_seq_;
  if (!channel_.send(node::new_connection(seq, key), fd)) return std::nullopt;
  ++next_seq_;
  unacknowledged_.push_back({seq, key, {}, true});
  return seq;
}

void NodePrimary::changed() {
  if (events_->on_snapshot_changed) events_->on_snapshot_changed();
}

// One line of flag letters, then one key per line.
std::string NodePrimary::snapshot() const {
  std::string text;
  if (online_) text += 'o';
  if (listening_) text += 'l';
  if (expected_exit_) text += 'x';
  for (const std::string& key : open_keys_) {
    if (text.size() + 1 + key.size() <= kMaxSnapshotBytes) text += '\n' + key;
  }
  return text;
}

void NodePrimary::restore(std::string_view snapshot) {
  std::size_t end = std::min(snapshot.find('\n'), snapshot.size());
  const std::string_view flags = snapshot.substr(0, end);
  online_ = flags.find('o') != std::string_view::npos;
  listening_ = flags.find('l') != std::string_view::npos;
  expected_exit_ = flags.find('x') != std::string_view::npos;
  open_keys_.clear();
  while (end < snapshot.size()) {
    const std::size_t start = end + 1;
    end = std::min(snapshot.find('\n', start), snapshot.size());
    if (end > start) open_keys_.emplace(snapshot.substr(start, end - start));
  }
  if (!identity_.cluster) return;
  for (const std::string& key : open_keys_) {
    listeners_.rejoin(identity_.app_id, identity_.run, key);
    if (!expected_exit_) handout_.join(identity_.app_id, key, identity_.run, *this);
  }
}

}  // namespace pmx
