// InstanceList: the rows of the list: what the daemon said last, what cpu and memory were before,
// the filter, the order, and which row is selected.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/model/instance_status.h"

namespace pmx::cli::monit {

struct Usage {
  std::deque<double> cpu;     // per cent of one core, oldest first
  std::deque<double> memory;  // bytes
};

class InstanceList {
 public:
  static constexpr std::size_t kSamples = 120;

  // All instances of now; each is a sample. The selection stays with its instance, or goes to its
  // neighbour.
  void update(std::vector<InstanceStatus> instances);

  // Of name, namespace, state and id; words separated by blanks must all be there, in any case.
  void set_filter(const std::string& filter);
  [[nodiscard]] const std::string& filter() const { return filter_; }
  // As `list --sort`: a field, with ":desc" the other way round. False: unknown, nothing changed.
  bool set_order(const std::string& order);
  [[nodiscard]] const std::string& order() const { return order_; }

  [[nodiscard]] const std::vector<InstanceStatus>& all() const { return all_; }
  // Indexes into all(), filtered.
  [[nodiscard]] const std::vector<std::size_t>& shown() const { return shown_; }
  [[nodiscard]] const Usage& usage(int pm_id) const;

  // Nullptr: none is shown.
  [[nodiscard]] const InstanceStatus* selected() const;
  [[nodiscard]] std::size_t selected_row() const { return selected_row_; }  // of shown()
  void select_row(std::size_t row);
  void move_selection(long rows);

  // First row to show in a window of so many rows, so that the selection is in it.
  std::size_t first_row(std::size_t height);

 private:
  void show();

  std::vector<InstanceStatus> all_;  // sorted
  std::vector<std::size_t> shown_;
  std::map<int, Usage> usage_;
  std::string filter_;
  std::string order_ = "id";
  int selected_id_ = -1;
  std::size_t selected_row_ = 0;
  std::size_t first_ = 0;
};

}  // namespace pmx::cli::monit
