#include "libstore/testing/simulated_disk.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace rmq::testing::simulation {
namespace {

using Unsynced = SimulatedFileSystem::Unsynced;

constexpr std::int64_t kReserve = 1 << 20;  // a mapped file may grow by this and stays where it is
constexpr Page kZeros{};

// A page as it is just now, whatever other threads store in it meanwhile: the thread sanitizer does not see
// the kernel either.
__attribute__((no_sanitize("thread"))) Page glance(const std::byte* from) {
  Page page;
  const volatile std::uint64_t* words = static_cast<const std::uint64_t*>(static_cast<const void*>(from));
  for (std::size_t at = 0; at < page.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = words[at / sizeof(std::uint64_t)];
    __builtin_memcpy(page.data() + at, &word, sizeof word);
  }
  return page;
}

}  // namespace

Memory::Memory(std::int64_t capacity) : capacity_(pages_of(capacity) * kPage) {
  void* bytes = ::mmap(nullptr, static_cast<std::size_t>(capacity_), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == MAP_FAILED) throw std::bad_alloc();
  bytes_ = static_cast<std::byte*>(bytes);
}

Memory::~Memory() { ::munmap(bytes_, static_cast<std::size_t>(capacity_)); }

Node::Node(bool is_directory, std::shared_ptr<std::atomic<std::int64_t>> used_bytes)
    : directory(is_directory), used_(std::move(used_bytes)) {}

Node::~Node() { *used_ -= (sparse ? std::ssize(allocated) : pages_of(size)) * kPage; }

std::int64_t Node::writable(std::int64_t position, std::int64_t length, std::int64_t free) const {
  if (!sparse)
    return std::clamp<std::int64_t>(std::max(size, pages_of(size) * kPage + free) - position, 0, length);
  std::int64_t end = position;
  for (std::int64_t page = position / kPage; end < position + length; ++page) {
    if (!allocated.contains(page) && (free -= kPage) < 0) break;
    end = (page + 1) * kPage;
  }
  return std::clamp<std::int64_t>(end - position, 0, length);
}

void Node::resize(std::int64_t new_size) {
  if (!memory || memory->capacity() < new_size) {
    if (!maps.empty()) throw std::logic_error("a mapped file outgrew what the simulation reserved for it");
    auto larger = std::make_shared<Memory>(new_size + kReserve);
    if (memory) std::memcpy(larger->at(0), memory->at(0), static_cast<std::size_t>(size));
    memory = std::move(larger);
  }
  if (!sparse) *used_ += (pages_of(new_size) - pages_of(size)) * kPage;
  size = new_size;
}

void Node::write(std::int64_t position, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::int64_t end = position + std::ssize(bytes);
  if (end > size) resize(end);
  std::memcpy(memory->at(position), bytes.data(), bytes.size());
  for (std::int64_t page = position / kPage; page < pages_of(end); ++page) {
    written.insert(page);
    if (sparse && allocated.insert(page).second) *used_ += kPage;
  }
}

Page Node::cached(std::int64_t page) const { return glance(memory->at(page * kPage)); }

bool Node::dirty(std::int64_t page) const {
  const auto there = durable.find(page);
  const Page& on_disk = there != durable.end() ? there->second : kZeros;
  const auto believed = lost.find(page);
  return cached(page) != (believed != lost.end() && !written.contains(page) ? believed->second : on_disk);
}

std::vector<std::int64_t> Node::suspects(std::int64_t first, std::int64_t end) const {
  std::vector<std::int64_t> pages(written.lower_bound(first), written.lower_bound(end));
  for (const auto& [id, range] : maps) {
    for (std::int64_t page = std::max(first, range.first); page < std::min(end, range.second); ++page) {
      pages.push_back(page);
    }
  }
  std::ranges::sort(pages);
  pages.erase(std::ranges::unique(pages).begin(), pages.end());
  return pages;
}

std::vector<std::int64_t> Node::dirty_pages(std::int64_t first, std::int64_t end) const {
  std::vector<std::int64_t> pages = suspects(first, end);
  std::erase_if(pages, [&](std::int64_t page) { return !dirty(page); });
  return pages;
}

void Node::write_back(std::int64_t page) {
  durable[page] = cached(page);
  lost.erase(page);
  written.erase(page);
}

void Node::lose(std::int64_t page) {
  lost[page] = cached(page);
  written.erase(page);
}

void Node::write_back_size() {
  durable_size = size;
  durable_modified_ms = modified_ms;
}

void Node::write_back_all() {
  for (const std::int64_t page : dirty_pages(0, pages_of(size))) write_back(page);
  write_back_size();
}

void Node::evict() {
  for (auto entry = lost.begin(); entry != lost.end();) {
    const std::int64_t page = entry->first;
    const bool mapped = std::ranges::any_of(
        maps, [&](const auto& map) { return page >= map.second.first && page < map.second.second; });
    if (mapped || dirty(page)) {
      ++entry;
      continue;
    }
    const auto there = durable.find(page);
    std::memcpy(memory->at(page * kPage), (there != durable.end() ? there->second : kZeros).data(), kPage);
    entry = lost.erase(entry);
  }
}

void Node::unmap(std::uint64_t map) {
  const auto [first, end] = maps.at(map);
  for (const std::int64_t page : dirty_pages(first, end)) written.insert(page);
  maps.erase(map);
}

Disk::Disk(std::uint64_t seed) : random_(seed), root_(make_node(true)) {}

std::shared_ptr<Node> Disk::make_node(bool directory) {
  auto node = std::make_shared<Node>(directory, used_);
  node->modified_ms = now_ms;
  node->durable_modified_ms = now_ms;
  if (directory) return node;
  node->resize(0);
  if (files_.size() == files_.capacity())
    std::erase_if(files_, [](const auto& file) { return file.expired(); });
  files_.push_back(node);
  return node;
}

std::int64_t Disk::free_bytes() const { return std::max<std::int64_t>(0, capacity / kPage * kPage - *used_); }

Place Disk::find(const std::string& path) const {
  Place place{nullptr, "", root_, 0};
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty() || name == ".") continue;
    if (!place.node || !place.node->directory) return {nullptr, "", nullptr, place.node ? ENOTDIR : ENOENT};
    const auto found = place.node->names.find(name);
    place = {place.node, name, found == place.node->names.end() ? nullptr : found->second, 0};
  }
  return place;
}

Turn Disk::next_call() {
  ++calls;
  if (below(1000) < write_back_per_thousand) write_something_back();
  Turn turn;
  turn.ends = calls == end_call;
  turn.end = end_kind;
  if (calls == fail_call) turn.fault = call_fault;
  return turn;
}

std::optional<Error> Disk::next_read() {
  if (ended) return ended_error();
  if (++reads == fail_read) return os_error(read_fault, "injected");
  return std::nullopt;
}

Error Disk::interrupted(const Turn& turn, std::string context) {
  if (!turn.ends) return os_error(turn.fault, std::move(context));
  if (turn.end == SimulatedFileSystem::End::kill) {
    kill();
  } else {
    lose_power(Unsynced::by_chance);
  }
  return ended_error();
}

Error Disk::refused(const Turn& turn, Error reason) {
  return turn.interrupted() ? interrupted(turn, std::move(reason.context)) : reason;
}

void Disk::write_something_back() {
  if (files_.empty()) return;
  const std::shared_ptr<Node> file = files_[below(files_.size())].lock();
  if (!file) return;
  const std::vector<std::int64_t> pages = file->suspects(0, pages_of(file->size));
  if (pages.empty()) return;
  for (std::uint64_t count = 1 + below(3); count > 0; --count) {
    const std::int64_t page = pages[below(pages.size())];
    if (file->dirty(page)) file->write_back(page);
  }
}

void Disk::apply(const NameChange& change) {
  for (const auto& [directory, name, node] : change.entries) {
    if (node) {
      directory->durable_names[name] = node;
    } else {
      directory->durable_names.erase(name);
    }
  }
}

void Disk::change(NameChange change) {
  for (const auto& [directory, name, node] : change.entries) {
    if (node) {
      directory->names[name] = node;
    } else {
      directory->names.erase(name);
    }
  }
  unsynced_names_.push_back(std::move(change));
}

void Disk::forget_name(const std::shared_ptr<Node>& directory, const std::string& name) {
  set_name(directory, name, nullptr);
  commit_names(directory.get());
}

Status Disk::sync_names(const std::shared_ptr<Node>& directory) {
  if (sync_fault != 0) return os_error(sync_fault, "syncing a directory");
  commit_names(directory.get());
  return {};
}

// The directory's own entries, and what was done before to the same names elsewhere, where a rename ties them
// together.
void Disk::commit_names(const Node* directory) {
  std::set<std::pair<const Node*, std::string>> tied;
  std::vector<bool> taken(unsynced_names_.size());
  for (std::size_t at = unsynced_names_.size(); at-- > 0;) {
    const auto& entries = unsynced_names_[at].entries;
    taken[at] = std::ranges::any_of(entries, [&](const auto& entry) {
      return entry.directory.get() == directory || tied.contains({entry.directory.get(), entry.name});
    });
    if (!taken[at]) continue;
    for (const auto& entry : entries) tied.insert({entry.directory.get(), entry.name});
  }
  std::vector<NameChange> rest;
  for (std::size_t at = 0; at < taken.size(); ++at) {
    if (taken[at]) {
      apply(unsynced_names_[at]);
    } else {
      rest.push_back(std::move(unsynced_names_[at]));
    }
  }
  unsynced_names_ = std::move(rest);
}

Status Disk::sync_pages(Node& node, std::int64_t first, std::int64_t end, const std::string& path) {
  for (const std::int64_t page : node.dirty_pages(first, end)) {
    if (sync_fault == 0) {
      node.write_back(page);
    } else {
      node.lose(page);
    }
  }
  if (sync_fault != 0) return os_error(sync_fault, "syncing " + path);
  node.write_back_size();
  return {};
}

void Disk::sync_partly(Node& node, std::int64_t first, std::int64_t end, const Turn& turn) {
  for (const std::int64_t page : node.dirty_pages(first, end)) {
    if (coin()) {
      node.write_back(page);
    } else if (!turn.ends) {
      node.lose(page);
    }
  }
}

Status Disk::sync_everything(const Turn& turn) {
  Status done;
  for (const auto& held : files_) {
    const auto file = held.lock();
    if (!file || file->directory) continue;
    const std::int64_t end = pages_of(file->size);
    if (turn.interrupted()) {
      sync_partly(*file, 0, end, turn);
    } else if (Status synced = sync_pages(*file, 0, end, "a file"); !synced) {
      done = std::move(synced);
    }
  }
  return turn.interrupted() ? Status(interrupted(turn, "syncing the file system")) : done;
}

void Disk::evict() {
  for (const auto& weak : files_) {
    if (const auto file = weak.lock()) file->evict();
  }
}

void Disk::kill() {
  for (const auto& weak : files_) {
    const auto file = weak.lock();
    if (!file) continue;
    file->locked = false;
    if (file->maps.empty()) continue;
    // The process may go on storing where its mappings were; nobody sees it.
    auto kept = std::make_shared<Memory>(file->memory->capacity());
    for (std::int64_t page = 0; page < pages_of(file->size); ++page) {
      const Page bytes = file->cached(page);
      if (bytes != kZeros) std::memcpy(kept->at(page * kPage), bytes.data(), kPage);
    }
    file->memory = std::move(kept);
    while (!file->maps.empty()) file->unmap(file->maps.begin()->first);
  }
  ended = true;
  ++epoch;
}

void Disk::lose_power(Unsynced unsynced) {
  restore_names(unsynced);
  restore(*root_, unsynced);
  ended = true;
  ++epoch;
}

void Disk::restore_names(Unsynced unsynced) {
  std::set<std::pair<const Node*, std::string>>
      broken;  // what came later to the same name did not happen either
  for (const NameChange& change : unsynced_names_) {
    const bool possible = std::ranges::none_of(change.entries, [&](const auto& entry) {
      return broken.contains({entry.directory.get(), entry.name});
    });
    if (possible && (unsynced == Unsynced::kept || (unsynced == Unsynced::by_chance && coin()))) {
      apply(change);
    } else {
      for (const auto& entry : change.entries) broken.insert({entry.directory.get(), entry.name});
    }
  }
  unsynced_names_.clear();
}

void Disk::restore(Node& node, Unsynced unsynced) {
  if (!node.directory) return restore_file(node, unsynced);
  node.names = node.durable_names;
  for (const auto& [name, child] : node.names) restore(*child, unsynced);
}

void Disk::restore_file(Node& node, Unsynced unsynced) {
  for (const std::int64_t page : node.dirty_pages(0, pages_of(node.size))) {
    const std::uint64_t fate = unsynced == Unsynced::by_chance ? below(4)
                               : unsynced == Unsynced::kept    ? 1
                                                               : 0;
    if (fate == 0) continue;
    const Page bytes = node.cached(page);
    Page& there = node.durable[page];  // zeros, if it was not there
    for (std::int64_t sector = 0; sector < kPage / kSector; ++sector) {
      if (fate == 1 || coin())
        std::copy_n(bytes.begin() + sector * kSector, kSector, there.begin() + sector * kSector);
    }
  }
  if (unsynced == Unsynced::kept || (unsynced == Unsynced::by_chance && coin())) node.write_back_size();
  // A file that grew may also have grown a part of the way.
  if (unsynced == Unsynced::by_chance && node.size > node.durable_size && coin()) {
    const std::int64_t first = node.durable_size / kPage;
    const auto grown =
        static_cast<std::int64_t>(below(static_cast<std::uint64_t>(pages_of(node.size) - first) + 1));
    node.durable_size = std::clamp((first + grown) * kPage, node.durable_size, node.size);
  }

  const std::int64_t size = node.durable_size;
  node.durable.erase(node.durable.lower_bound(pages_of(size)), node.durable.end());
  if (const auto last = node.durable.find(size / kPage); last != node.durable.end()) {
    std::fill(last->second.begin() + size % kPage, last->second.end(), std::byte{0});
  }
  node.lost.clear();
  node.written.clear();
  node.maps.clear();
  node.locked = false;
  node.memory = nullptr;
  node.resize(size);
  node.modified_ms = node.durable_modified_ms;
  for (const auto& [page, bytes] : node.durable)
    std::memcpy(node.memory->at(page * kPage), bytes.data(), kPage);
}

}  // namespace rmq::testing::simulation
