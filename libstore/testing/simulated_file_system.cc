#include "libstore/testing/simulated_file_system.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "libstore/testing/simulated_disk.h"

namespace rmq::testing {
namespace {

using simulation::Disk;
using simulation::ended_error;
using simulation::kPage;
using simulation::Memory;
using simulation::Node;
using simulation::pages_of;
using simulation::Place;
using simulation::Turn;

using Guard = std::lock_guard<std::mutex>;

// What was opened: a node of a disk, for one process.
struct Handle {
  std::shared_ptr<Disk> disk;
  std::shared_ptr<Node> node;
  std::string path;
  std::uint64_t epoch = 0;

  [[nodiscard]] bool ended() const { return epoch != disk->epoch; }
};

// A call on what was opened, or on the file system: `ended` first, then its turn.
#define RMQ_TAKE_TURN(disk, has_ended) \
  const Guard guard((disk).mutex);     \
  if (has_ended) return ended_error(); \
  const Turn turn = (disk).next_call()

class SimulatedLock final : public io::FileLock {
 public:
  explicit SimulatedLock(Handle handle) : handle_(std::move(handle)) {}
  ~SimulatedLock() override {
    const Guard guard(handle_.disk->mutex);
    if (!handle_.ended()) handle_.node->locked = false;
  }
  SimulatedLock(const SimulatedLock&) = delete;
  SimulatedLock& operator=(const SimulatedLock&) = delete;

 private:
  Handle handle_;
};

class SimulatedMap final : public io::WriteMap {
 public:
  // The lock is held by the caller.
  SimulatedMap(Handle handle, std::int64_t position, std::int64_t length)
      : handle_(std::move(handle)),
        memory_(handle_.node->memory),
        position_(position),
        length_(length),
        id_(handle_.disk->next_map++) {
    handle_.node->maps[id_] = {position / kPage, pages_of(position + length)};
  }
  ~SimulatedMap() override {
    const Guard guard(handle_.disk->mutex);
    if (!handle_.ended()) handle_.node->unmap(id_);
  }
  SimulatedMap(const SimulatedMap&) = delete;
  SimulatedMap& operator=(const SimulatedMap&) = delete;

  std::span<std::byte> bytes() override {
    return {memory_->at(position_), static_cast<std::size_t>(length_)};
  }

  Status sync(std::int64_t position, std::int64_t length) override {
    Disk& disk = *handle_.disk;
    RMQ_TAKE_TURN(disk, handle_.ended());
    if (position < 0 || length < 0 || position > length_ - length) {
      return disk.refused(turn, wrong_use("syncing beyond the map of " + handle_.path));
    }
    const std::int64_t first = (position_ + position) / kPage;
    const std::int64_t end = pages_of(position_ + position + length);
    if (!turn.interrupted()) return disk.sync_pages(*handle_.node, first, end, handle_.path);
    disk.sync_partly(*handle_.node, first, end, turn);
    return disk.interrupted(turn, "syncing " + handle_.path);
  }

  void populate(std::int64_t /*position*/, std::int64_t /*length*/) override {}

 private:
  Handle handle_;
  std::shared_ptr<Memory> memory_;
  std::int64_t position_;
  std::int64_t length_;
  std::uint64_t id_;
};

// Also what open() gives, which then has no right to write.
class SimulatedFile final : public io::WriteFile {
 public:
  explicit SimulatedFile(Handle handle) : handle_(std::move(handle)), size_(handle_.node->size) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    const Guard guard(disk().mutex);
    if (handle_.ended()) return ended_error();
    if (auto fault = disk().next_read()) return *std::move(fault);
    if (position < 0) return os_error(EINVAL, "reading " + handle_.path);
    const auto there = std::clamp<std::int64_t>(node().size - position, 0, std::ssize(out));
    if (there > 0) std::memcpy(out.data(), node().memory->at(position), static_cast<std::size_t>(there));
    return static_cast<std::size_t>(there);
  }

  std::int64_t size() const override { return size_; }

  // Pages of zeros are holes.
  std::int64_t next_data(std::int64_t position) const override { return next(position, true); }
  std::int64_t next_hole(std::int64_t position) const override { return next(position, false); }

  Status write_at(std::int64_t position, std::span<const std::byte> bytes) override {
    RMQ_TAKE_TURN(disk(), handle_.ended());
    const auto written = write(turn, position, bytes);
    if (!written) return disk().refused(turn, written.error());
    return turn.interrupted() ? disk().interrupted(turn, "writing " + handle_.path) : Status{};
  }

  Status write_zeros(std::int64_t position, std::int64_t length) override {
    return write_at(position, std::vector<std::byte>(static_cast<std::size_t>(length)));
  }

  using io::WriteFile::write_durable;
  Status write_durable(std::int64_t position, std::span<const std::span<const std::byte>> pieces) override {
    RMQ_TAKE_TURN(disk(), handle_.ended());
    std::vector<std::byte> bytes;
    for (const std::span<const std::byte> piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
    const auto written = write(turn, position, bytes);
    if (!written) return disk().refused(turn, written.error());
    const std::int64_t first = position / kPage;
    const std::int64_t end = pages_of(position + *written);
    if (!turn.interrupted()) return disk().sync_pages(node(), first, end, handle_.path);
    disk().sync_partly(node(), first, end, turn);
    return disk().interrupted(turn, "writing " + handle_.path);
  }

  Status sync() override {
    RMQ_TAKE_TURN(disk(), handle_.ended());
    const std::int64_t end = pages_of(node().size);
    if (!turn.interrupted()) return disk().sync_pages(node(), 0, end, handle_.path);
    disk().sync_partly(node(), 0, end, turn);
    return disk().interrupted(turn, "syncing " + handle_.path);
  }

  Result<std::unique_ptr<io::WriteMap>> map(std::int64_t position, std::int64_t length) override {
    RMQ_TAKE_TURN(disk(), handle_.ended());
    if (turn.interrupted()) return disk().interrupted(turn, "mapping " + handle_.path);
    if (position < 0 || length <= 0 || position > node().size - length) {
      return wrong_use("mapping beyond the end of " + handle_.path);
    }
    return std::make_unique<SimulatedMap>(handle_, position, length);
  }

  bool removed() const override {
    const Guard guard(disk().mutex);
    return !handle_.ended() && disk().find(handle_.path).node != handle_.node;
  }

 private:
  [[nodiscard]] Disk& disk() const { return *handle_.disk; }
  [[nodiscard]] Node& node() const { return *handle_.node; }

  // How many bytes came to be in the cache: pages up to some point if the call is interrupted or the disk
  // fills up.
  Result<std::int64_t> write(const Turn& turn, std::int64_t position, std::span<const std::byte> bytes) {
    const std::int64_t length = std::ssize(bytes);
    if (position < 0 || position > INT64_MAX - length)
      return wrong_use("no such position in " + handle_.path);
    std::int64_t allowed = length;
    if (turn.interrupted() && length > 0) {
      const std::int64_t first = position / kPage;
      const auto pages = static_cast<std::uint64_t>(pages_of(position + length) - first + 1);
      allowed = std::clamp<std::int64_t>(
          (first + static_cast<std::int64_t>(disk().below(pages))) * kPage - position, 0, length);
    }
    const std::int64_t room = node().writable(position, allowed, disk().free_bytes());
    const bool full = room < allowed;
    allowed = room;
    node().write(position, bytes.first(static_cast<std::size_t>(allowed)));
    if (allowed > 0) node().modified_ms = disk().now_ms;
    if (full) return os_error(ENOSPC, "writing " + handle_.path);
    return allowed;
  }

  std::int64_t next(std::int64_t position, bool data) const {
    const Guard guard(disk().mutex);
    if (handle_.ended() || position < 0) return data ? position : size_;
    while (position < std::min(size_, node().size)) {
      const bool zeros = node().cached(position / kPage) == simulation::Page{};
      if (zeros != data) return position;
      position = (position / kPage + 1) * kPage;
    }
    return size_;
  }

  Handle handle_;
  std::int64_t size_;
};

Result<Place> existing_file(const Disk& disk, const std::string& path) {
  Place place = disk.find(path);
  if (place.fault != 0 || !place.node)
    return os_error(place.fault != 0 ? place.fault : ENOENT, "opening " + path);
  if (place.node->directory) return wrong_use(path + " is not a regular file");
  return place;
}

io::DirectoryEntry entry_of(std::string name, const Node& node) {
  return {std::move(name), node.directory ? io::EntryKind::directory : io::EntryKind::file, node.size,
          node.modified_ms};
}

// Whether `node` is `directory` or lies in it.
bool contains(const std::shared_ptr<Node>& directory, const Node* node) {
  if (directory.get() == node) return true;
  return std::ranges::any_of(directory->names,
                             [&](const auto& child) { return contains(child.second, node); });
}

}  // namespace

SimulatedFileSystem::SimulatedFileSystem(std::uint64_t seed) : disk_(std::make_shared<Disk>(seed)) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

void SimulatedFileSystem::put(const std::string& path, std::span<const std::byte> bytes) {
  const Guard guard(disk_->mutex);
  std::shared_ptr<Node> directory = disk_->root();
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (at > path.size()) {
      const auto file = disk_->make_node(false);
      file->write(0, bytes);
      file->write_back_all();
      directory->names[name] = directory->durable_names[name] = file;
      return;
    }
    if (name.empty()) continue;
    std::shared_ptr<Node>& next = directory->names[name];
    if (!next) next = disk_->make_node(true);
    directory->durable_names[name] = next;
    directory = next;
  }
}

void SimulatedFileSystem::set_capacity(std::int64_t bytes) {
  const Guard guard(disk_->mutex);
  disk_->capacity = bytes;
}

void SimulatedFileSystem::set_time(std::int64_t now_ms) {
  const Guard guard(disk_->mutex);
  disk_->now_ms = now_ms;
}

void SimulatedFileSystem::set_write_back(unsigned per_thousand) {
  const Guard guard(disk_->mutex);
  disk_->write_back_per_thousand = per_thousand;
}

std::uint64_t SimulatedFileSystem::calls() const {
  const Guard guard(disk_->mutex);
  return disk_->calls;
}

std::uint64_t SimulatedFileSystem::reads() const {
  const Guard guard(disk_->mutex);
  return disk_->reads;
}

void SimulatedFileSystem::fail_call(std::uint64_t n, int os_errno) {
  const Guard guard(disk_->mutex);
  disk_->fail_call = disk_->calls + n;
  disk_->call_fault = os_errno;
}

void SimulatedFileSystem::fail_read(std::uint64_t n, int os_errno) {
  const Guard guard(disk_->mutex);
  disk_->fail_read = disk_->reads + n;
  disk_->read_fault = os_errno;
}

void SimulatedFileSystem::fail_syncs(int os_errno) {
  const Guard guard(disk_->mutex);
  disk_->sync_fault = os_errno;
}

void SimulatedFileSystem::evict() {
  const Guard guard(disk_->mutex);
  disk_->evict();
}

void SimulatedFileSystem::remove_beneath(const std::string& path) {
  const Guard guard(disk_->mutex);
  const Place place = disk_->find(path);
  if (!place.node || !place.directory) throw std::logic_error("nothing to remove: " + path);
  disk_->forget_name(place.directory, place.name);
}

void SimulatedFileSystem::end_at(std::uint64_t n, End end) {
  const Guard guard(disk_->mutex);
  disk_->end_call = disk_->calls + n;
  disk_->end_kind = end;
}

void SimulatedFileSystem::kill() {
  const Guard guard(disk_->mutex);
  disk_->kill();
}

void SimulatedFileSystem::lose_power(Unsynced unsynced) {
  const Guard guard(disk_->mutex);
  disk_->lose_power(unsynced);
}

bool SimulatedFileSystem::ended() const {
  const Guard guard(disk_->mutex);
  return disk_->ended;
}

void SimulatedFileSystem::restart() {
  const Guard guard(disk_->mutex);
  disk_->ended = false;
  disk_->end_call = 0;
  disk_->fail_call = 0;
  disk_->fail_read = 0;
  disk_->sync_fault = 0;
}

Result<std::unique_ptr<io::ReadFile>> SimulatedFileSystem::open(const std::string& path) const {
  const Guard guard(disk_->mutex);
  if (auto fault = disk_->next_read()) return *std::move(fault);
  RMQ_TRY(place, existing_file(*disk_, path));
  return std::make_unique<SimulatedFile>(Handle{disk_, place.node, path, disk_->epoch});
}

Result<std::unique_ptr<io::WriteFile>> SimulatedFileSystem::open_for_write(const std::string& path) {
  const Guard guard(disk_->mutex);
  if (auto fault = disk_->next_read()) return *std::move(fault);
  RMQ_TRY(place, existing_file(*disk_, path));
  return std::make_unique<SimulatedFile>(Handle{disk_, place.node, path, disk_->epoch});
}

Result<std::vector<io::DirectoryEntry>> SimulatedFileSystem::list(const std::string& directory) const {
  const Guard guard(disk_->mutex);
  if (auto fault = disk_->next_read()) return *std::move(fault);
  const Place place = disk_->find(directory);
  if (!place.node) return os_error(place.fault != 0 ? place.fault : ENOENT, "listing " + directory);
  if (!place.node->directory) return os_error(ENOTDIR, "listing " + directory);
  std::vector<io::DirectoryEntry> entries;
  for (const auto& [name, node] : place.node->names) entries.push_back(entry_of(name, *node));
  return entries;
}

Result<io::DirectoryEntry> SimulatedFileSystem::stat(const std::string& path) const {
  const Guard guard(disk_->mutex);
  if (auto fault = disk_->next_read()) return *std::move(fault);
  const Place place = disk_->find(path);
  if (!place.node) return os_error(place.fault != 0 ? place.fault : ENOENT, path);
  return entry_of(place.name, *place.node);
}

Result<std::unique_ptr<io::WriteFile>> SimulatedFileSystem::create(const std::string& path, std::int64_t size,
                                                                   std::span<const std::byte> head) {
  return make_file({path, size, head}, false);
}

std::vector<Status> SimulatedFileSystem::create_sparse(std::span<const io::NewFile> files) {
  std::vector<Status> done;
  for (const io::NewFile& file : files) {
    Status made = make_directories(file.path.substr(0, file.path.find_last_of('/')));
    if (made) {
      const auto created = make_file(file, true);
      if (!created) made = created.error();
    }
    done.push_back(std::move(made));
  }
  return done;
}

Status SimulatedFileSystem::sync_file_system(const std::string& path) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  if (!disk.find(path).node) return disk.refused(turn, os_error(ENOENT, "opening " + path));
  return disk.sync_everything(turn);
}

Result<std::unique_ptr<io::WriteFile>> SimulatedFileSystem::make_file(const io::NewFile& file, bool sparse) {
  const auto& [path, size, head] = file;
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  const Place place = disk.find(path);
  const auto refuse = [&](int fault) { return disk.refused(turn, os_error(fault, "creating " + path)); };
  if (size < std::ssize(head)) {
    return disk.refused(turn, wrong_use(path + " is smaller than what it is to begin with"));
  }
  if (place.fault != 0) return refuse(place.fault);
  if (place.node) return refuse(EEXIST);
  if (pages_of(sparse ? std::ssize(head) : size) > disk.free_bytes() / kPage) return refuse(ENOSPC);
  if (disk.sync_fault != 0) return refuse(disk.sync_fault);
  auto node = disk.make_node(false);
  node->sparse = sparse;
  node->resize(size);
  node->write(0, head);
  node->write_back_all();
  if (turn.interrupted()) {
    if (disk.coin()) {
      disk.set_name(place.directory, place.name, node);
      if (!turn.ends) disk.set_name(place.directory, place.name, nullptr);
    }
    return disk.interrupted(turn, "creating " + path);
  }
  disk.set_name(place.directory, place.name, node);
  RMQ_CHECK(disk.sync_names(place.directory));
  return std::make_unique<SimulatedFile>(Handle{disk_, node, path, disk.epoch});
}

Status SimulatedFileSystem::replace(const std::string& path, std::span<const std::byte> bytes) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  const Place place = disk.find(path);
  const auto refuse = [&](int fault) { return disk.refused(turn, os_error(fault, "replacing " + path)); };
  if (place.fault != 0) return refuse(place.fault);
  if (place.node && place.node->directory) return refuse(EISDIR);
  if (pages_of(std::ssize(bytes)) > disk.free_bytes() / kPage) return refuse(ENOSPC);
  const auto node = disk.make_node(false);
  const std::string aside = "." + place.name + ".1." + std::to_string(disk.next_aside++) + ".new";
  if (turn.interrupted() || disk.sync_fault != 0) {
    // How far it came: not begun, written aside, synced, renamed.
    const std::uint64_t steps = disk.below(turn.interrupted() && disk.sync_fault == 0 ? 4 : 2);
    const auto part = steps == 1 ? disk.below(bytes.size() + 1) : bytes.size();
    node->write(0, bytes.first(part));
    if (steps > 1) node->write_back_all();
    if (steps > 0) disk.set_name(place.directory, aside, node);
    if (steps > 2) {
      disk.change({{{place.directory, aside, nullptr}, {place.directory, place.name, node}}});
    } else if (steps > 0 && !turn.ends) {
      disk.set_name(place.directory, aside, nullptr);
    }
    return refuse(disk.sync_fault);
  }
  node->write(0, bytes);
  node->write_back_all();
  disk.set_name(place.directory, place.name, node);
  return disk.sync_names(place.directory);
}

Status SimulatedFileSystem::make_directories(const std::string& path) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  const auto context = "creating the directory " + path;
  std::vector<std::string> levels;  // each directory on the way
  for (std::size_t at = 0; at < path.size();) {
    at = std::min(path.find('/', at + 1), path.size());
    levels.push_back(path.substr(0, at));
  }
  std::vector<std::string> missing;
  std::shared_ptr<Node> above;  // where the last one that is there has its name
  for (const std::string& level : levels) {
    const Place place = disk.find(level);
    if (place.fault == ENOTDIR || (place.node && !place.node->directory)) {
      return disk.refused(turn, os_error(ENOTDIR, context));
    }
    if (!place.node) missing.push_back(level);
    if (place.node) above = place.directory;
  }
  if (above && !turn.interrupted()) RMQ_CHECK(disk.sync_names(above));
  const std::size_t made = turn.interrupted() ? disk.below(missing.size() + 1) : missing.size();
  for (std::size_t at = 0; at < made; ++at) {
    const Place place = disk.find(missing[at]);
    if (place.node) continue;  // "a//b"
    disk.set_name(place.directory, place.name, disk.make_node(true));
    if (turn.interrupted() && at + 1 == made) break;
    RMQ_CHECK(disk.sync_names(place.directory));
  }
  return turn.interrupted() ? disk.interrupted(turn, context) : Status{};
}

Status SimulatedFileSystem::rename(const std::string& from, const std::string& to) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  const Place source = disk.find(from);
  const Place target = disk.find(to);
  const auto refuse = [&](int fault) {
    return disk.refused(turn, os_error(fault, "renaming " + from + " to " + to));
  };
  if (source.fault != 0 || !source.node) return refuse(source.fault != 0 ? source.fault : ENOENT);
  if (target.fault != 0) return refuse(target.fault);
  if (target.node) return refuse(EEXIST);
  if (!source.directory || (source.node->directory && contains(source.node, target.directory.get()))) {
    return refuse(EINVAL);
  }
  if (!turn.interrupted() || disk.coin()) {
    disk.change({{{source.directory, source.name, nullptr}, {target.directory, target.name, source.node}}});
  }
  if (turn.interrupted()) return disk.interrupted(turn, "renaming " + from + " to " + to);
  return disk.sync_names(target.directory);  // the other directory's entry goes with it
}

Status SimulatedFileSystem::remove(const std::string& path) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  const Place place = disk.find(path);
  const auto refuse = [&](int fault) { return disk.refused(turn, os_error(fault, "removing " + path)); };
  if (place.fault != 0 || !place.node) return refuse(place.fault != 0 ? place.fault : ENOENT);
  if (!place.directory) return refuse(EBUSY);
  if (!place.node->names.empty()) return refuse(ENOTEMPTY);
  if (!turn.interrupted() || disk.coin()) disk.set_name(place.directory, place.name, nullptr);
  if (turn.interrupted()) return disk.interrupted(turn, "removing " + path);
  return disk.sync_names(place.directory);
}

Status SimulatedFileSystem::set_modified(const std::string& path, std::int64_t modified_ms) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  const std::string context = "setting the time of " + path;
  const Place place = disk.find(path);
  if (!place.node) return disk.refused(turn, os_error(place.fault != 0 ? place.fault : ENOENT, context));
  if (turn.interrupted()) return disk.interrupted(turn, context);
  place.node->modified_ms = modified_ms;
  return {};
}

Result<std::unique_ptr<io::FileLock>> SimulatedFileSystem::lock(const std::string& path) {
  Disk& disk = *disk_;
  RMQ_TAKE_TURN(disk, disk.ended);
  Place place = disk.find(path);
  if (place.fault != 0) return disk.refused(turn, os_error(place.fault, "opening " + path));
  if (place.node && place.node->directory) return disk.refused(turn, os_error(EISDIR, "opening " + path));
  if (!place.node && (!turn.interrupted() || disk.coin())) {
    place.node = disk.make_node(false);
    disk.set_name(place.directory, place.name, place.node);
  }
  if (turn.interrupted()) return disk.interrupted(turn, "locking " + path);
  if (place.node->locked) return wrong_use(path + " is locked by another owner");
  place.node->locked = true;
  return std::make_unique<SimulatedLock>(Handle{disk_, place.node, path, disk.epoch});
}

Result<io::Space> SimulatedFileSystem::space(const std::string& directory) const {
  const Guard guard(disk_->mutex);
  if (disk_->ended) return ended_error();
  const Place place = disk_->find(directory);
  if (!place.node) return os_error(place.fault != 0 ? place.fault : ENOENT, directory);
  const std::int64_t free = disk_->free_bytes();
  return io::Space{disk_->capacity, disk_->capacity - free, free};
}

}  // namespace rmq::testing
