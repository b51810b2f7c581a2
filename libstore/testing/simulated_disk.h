// What a simulated file system stands on: files by pages and names by directory entries, each in two states,
// and what ends of processes and machines do to them. Calls, and what fails in them:
// simulated_file_system.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libstore/testing/simulated_file_system.h"

namespace rmq::testing::simulation {

inline constexpr std::int64_t kPage = 4096;
inline constexpr std::int64_t kSector = 512;  // what a disk writes whole or not at all

using Page = std::array<std::byte, kPage>;

// A file's bytes as processes see them, at one address as long as anybody holds it. Zero at first, costs what
// is touched.
class Memory {
 public:
  explicit Memory(std::int64_t capacity);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  [[nodiscard]] std::byte* at(std::int64_t position) const { return bytes_ + position; }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }

 private:
  std::int64_t capacity_;
  std::byte* bytes_;
};

// A file or a directory.
struct Node {
  Node(bool is_directory, std::shared_ptr<std::atomic<std::int64_t>> used_bytes);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const bool directory;
  std::int64_t modified_ms = 0;
  std::int64_t durable_modified_ms = 0;

  // Of a directory.
  std::map<std::string, std::shared_ptr<Node>> names;
  std::map<std::string, std::shared_ptr<Node>> durable_names;

  // Of a file.
  std::shared_ptr<Memory> memory;
  std::int64_t size = 0;
  std::int64_t durable_size = 0;
  std::map<std::int64_t, Page> durable;  // by page number; zeros where nothing was written
  std::map<std::int64_t, Page> lost;     // a sync failed: the kernel takes these bytes for durable
  std::set<std::int64_t> written;        // pages that may be dirty; those of maps are not in here
  std::map<std::uint64_t, std::pair<std::int64_t, std::int64_t>> maps;  // pages [first, end) of live mappings
  bool locked = false;
  bool sparse = false;               // takes from the disk only the pages that were written
  std::set<std::int64_t> allocated;  // of a sparse file

  // How many of `length` bytes at `position` can be written with that much free.
  [[nodiscard]] std::int64_t writable(std::int64_t position, std::int64_t length, std::int64_t free) const;
  void resize(std::int64_t new_size);
  // Into the cached state; the file grows where it must.
  void write(std::int64_t position, std::span<const std::byte> bytes);
  [[nodiscard]] Page cached(std::int64_t page) const;
  [[nodiscard]] bool dirty(std::int64_t page) const;
  // Pages of [first, end) that have to be asked whether they are dirty.
  [[nodiscard]] std::vector<std::int64_t> suspects(std::int64_t first, std::int64_t end) const;
  [[nodiscard]] std::vector<std::int64_t> dirty_pages(std::int64_t first, std::int64_t end) const;
  void write_back(std::int64_t page);
  void lose(std::int64_t page);  // what a failed sync does
  void write_back_size();        // and the time of modification
  void write_back_all();
  // Reads pages from disk again that `lost` has and nobody maps or wrote since.
  void evict();
  void unmap(std::uint64_t map);

 private:
  std::shared_ptr<std::atomic<std::int64_t>> used_;
};

// One change of names: one directory entry, or the two of a rename, which stay or vanish together.
struct NameChange {
  struct Entry {
    std::shared_ptr<Node> directory;
    std::string name;
    std::shared_ptr<Node> node;  // null: no such name
  };
  std::vector<Entry> entries;
};

// What the plan of faults has for a call.
struct Turn {
  bool ends = false;
  SimulatedFileSystem::End end = SimulatedFileSystem::End::kill;
  int fault = 0;
  [[nodiscard]] bool interrupted() const { return ends || fault != 0; }
};

struct Place {
  std::shared_ptr<Node> directory;
  std::string name;
  std::shared_ptr<Node> node;  // null: nothing of that name
  int fault = 0;               // ENOENT, ENOTDIR: the directory is not there, or none
};

// Every member but `mutex` is guarded by it.
class Disk {
 public:
  explicit Disk(std::uint64_t seed);

  std::mutex mutex;
  std::uint64_t epoch = 0;  // counts ends; what was opened belongs to one
  bool ended = false;
  std::int64_t capacity = std::int64_t{1} << 40;
  std::int64_t now_ms = 1'700'000'000'000;
  unsigned write_back_per_thousand = 125;
  std::uint64_t calls = 0;
  std::uint64_t reads = 0;
  std::uint64_t fail_call = 0;  // by number, as the next ones
  std::uint64_t fail_read = 0;
  std::uint64_t end_call = 0;
  int call_fault = 0;
  int read_fault = 0;
  int sync_fault = 0;
  SimulatedFileSystem::End end_kind = SimulatedFileSystem::End::kill;
  std::uint64_t next_map = 0;
  std::uint64_t next_aside = 0;

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  [[nodiscard]] bool coin() { return below(2) == 0; }

  // Counts a call. The kernel may write pages back first.
  [[nodiscard]] Turn next_call();
  // How a call ends that was interrupted, or that could not be done for `reason`.
  [[nodiscard]] Error interrupted(const Turn& turn, std::string context);
  [[nodiscard]] Error refused(const Turn& turn, Error reason);
  // An error where a read is to fail.
  [[nodiscard]] std::optional<Error> next_read();

  [[nodiscard]] std::shared_ptr<Node> make_node(bool directory);
  [[nodiscard]] Place find(const std::string& path) const;
  [[nodiscard]] const std::shared_ptr<Node>& root() const { return root_; }
  [[nodiscard]] std::int64_t free_bytes() const;

  // Changes names as processes see them; durable by sync_names(), or by chance.
  void change(NameChange change);
  void set_name(const std::shared_ptr<Node>& directory, const std::string& name, std::shared_ptr<Node> node) {
    change({{{directory, name, std::move(node)}}});
  }
  // Removes a name from both states.
  void forget_name(const std::shared_ptr<Node>& directory, const std::string& name);
  // Makes a directory's entries durable, unless syncs fail.
  [[nodiscard]] Status sync_names(const std::shared_ptr<Node>& directory);

  // Dirty pages [first, end) of a file, its size and its times: written, or the pages lost where syncs fail.
  [[nodiscard]] Status sync_pages(Node& node, std::int64_t first, std::int64_t end, const std::string& path);
  // What an interrupted sync does: some of the pages are written; if it fails, the others are lost.
  void sync_partly(Node& node, std::int64_t first, std::int64_t end, const Turn& turn);
  // The same for all files.
  [[nodiscard]] Status sync_everything(const Turn& turn);

  void kill();
  void lose_power(SimulatedFileSystem::Unsynced unsynced);
  void evict();

 private:
  void write_something_back();
  void commit_names(const Node* directory);
  static void apply(const NameChange& change);
  void restore_names(SimulatedFileSystem::Unsynced unsynced);
  void restore(Node& node, SimulatedFileSystem::Unsynced unsynced);
  void restore_file(Node& node, SimulatedFileSystem::Unsynced unsynced);

  std::mt19937_64 random_;
  std::shared_ptr<std::atomic<std::int64_t>> used_ = std::make_shared<std::atomic<std::int64_t>>(0);
  std::vector<std::weak_ptr<Node>> files_;
  std::vector<NameChange> unsynced_names_;  // in the order in which they were made
  std::shared_ptr<Node> root_;
};

[[nodiscard]] inline std::int64_t pages_of(std::int64_t bytes) { return (bytes + kPage - 1) / kPage; }
[[nodiscard]] inline Error ended_error() {
  return os_error(SimulatedFileSystem::kEnded, "the process or the machine that called has ended");
}

}  // namespace rmq::testing::simulation
