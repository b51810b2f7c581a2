#include "libstore/scan/store_survey.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/index_file.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::scan {
namespace {

using io::DirectoryEntry;
using io::EntryKind;
using io::join_path;

// Directories below the known ones are walked this deep, so that a strange tree cannot keep us busy for ever.
constexpr int kMaxDepth = 4;

// What a name of a mapped file says; beyond what any log reaches it is no offset.
std::optional<std::int64_t> start_of(std::string_view name) {
  const auto start = format::parse_mapped_file_name(name);
  return start && *start <= kLargestFileStart ? start : std::nullopt;
}

class Surveyor {
 public:
  Surveyor(const io::ReadFileSystem& files, const StoreConfig& config) : files_(files) {
    survey_.config = config;
    survey_.root = config.root;
  }

  Result<StoreSurvey> run() {
    auto root = files_.stat(survey_.root);
    if (!root) return std::move(root).error();
    if (root->kind == EntryKind::file) return single_file(*root);
    if (root->kind != EntryKind::directory) return wrong_use(survey_.root + " is neither a directory nor a file");
    RMQ_TRY(entries, list(survey_.root));
    if (entries.empty()) {
      return wrong_use(survey_.root + " is empty: a store root holds commitlog/, consumequeue/, index/, config/");
    }
    for (const DirectoryEntry& entry : entries) root_entry(entry);
    if (auto fault = no_directories(entries)) return *std::move(fault);
    if (auto fault = commit_log(entries)) return *std::move(fault);
    if (auto fault = consume_queues()) return *std::move(fault);
    if (auto fault = index()) return *std::move(fault);
    config_directory();
    infer_sizes();
    if (!looks_like_a_store(entries)) {
      return wrong_use(survey_.root + " holds nothing of a RocketMQ store (no commitlog/, consumequeue/, index/, "
                       "config/ or checkpoint): give the store root, the directory above commitlog/");
    }
    return std::move(survey_);
  }

 private:
  [[nodiscard]] StoreFile store_file(const std::string& directory, const DirectoryEntry& entry) const {
    StoreFile file;
    file.path = join_path(directory, entry.name);
    file.shown = shown(file.path);
    file.name = entry.name;
    file.size = entry.size;
    file.modified_ms = entry.modified_ms;
    return file;
  }

  [[nodiscard]] std::string shown(const std::string& path) const {
    const std::string prefix = join_path(survey_.root, "");
    return path.starts_with(prefix) ? path.substr(prefix.size()) : path;
  }

  void root_entry(const DirectoryEntry& entry) {
    const StoreFile file = store_file(survey_.root, entry);
    if (entry.kind == EntryKind::file) {
      if (entry.name == "checkpoint") {
        survey_.checkpoint = file;
      } else if (entry.name == "abort") {
        survey_.abort = file;
      } else if (entry.name == "lock") {
        survey_.lock = file;
      } else if (entry.name == "timerwheel") {
        survey_.others.push_back({file, OtherPart::timer});
      } else if (entry.name.starts_with("epochFileCheckpoint")) {
        survey_.others.push_back({file, OtherPart::epoch});
      } else {
        survey_.others.push_back({file, OtherPart::unknown});
      }
    } else if (entry.kind == EntryKind::directory) {
      if (entry.name == "timerlog") collect(file.path, OtherPart::timer, kMaxDepth);
      if (entry.name == "compaction") collect(file.path, OtherPart::compaction, kMaxDepth);
      if (entry.name == "kvStore") collect(file.path, OtherPart::pop_kv, kMaxDepth);
      if (entry.name.starts_with("dledger-")) dledger_directories_.push_back(file.path);
    }
  }

  // A part that is a file, or a link to where nothing is mounted, would look like one that was never there.
  [[nodiscard]] std::optional<Error> no_directories(const std::vector<DirectoryEntry>& entries) const {
    const StoreConfig& given = survey_.config;
    for (const DirectoryEntry& entry : entries) {
      const bool expected = (entry.name == "commitlog" && given.commit_log_directories.empty()) ||
                            (entry.name == "consumequeue" && given.consume_queue_directory.empty()) ||
                            entry.name == "batchconsumequeue" ||
                            (entry.name == "index" && given.index_directory.empty());
      if (!expected || entry.kind == EntryKind::directory) continue;
      return wrong_use(join_path(survey_.root, entry.name) +
                       " is no directory (or a link that leads nowhere): nothing can be said about this store without it");
    }
    return std::nullopt;
  }

  void collect(const std::string& directory, OtherPart part, int depth) {
    const auto entries = files_.list(directory);
    if (!entries || depth == 0) return;
    for (const DirectoryEntry& entry : *entries) {
      const StoreFile file = store_file(directory, entry);
      if (entry.kind == EntryKind::directory) collect(file.path, part, depth - 1);
      if (entry.kind == EntryKind::file) survey_.others.push_back({file, part});
    }
  }

  // Fails for an entry of a directory that may be listed and not entered: what it is nobody can tell.
  [[nodiscard]] Result<void> may_be_asked(const std::string& directory, const DirectoryEntry& entry) const {
    if (entry.kind != EntryKind::other) return {};
    auto again = files_.stat(join_path(directory, entry.name));
    if (again || again.error().code != ErrorCode::permission_denied) return {};
    return std::move(again).error();
  }

  // Fails also where the entries may not be asked what they are.
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& directory) const {
    auto entries = files_.list(directory);
    if (!entries) return entries;
    for (const DirectoryEntry& entry : *entries) {
      if (auto asked = may_be_asked(directory, entry); !asked) return std::move(asked).error();
    }
    return entries;
  }

  // Sorts a directory's files into mapped files and strays; sub directories are ignored, as 5.x does.
  std::optional<Error> mapped_files(const std::string& directory, MappedFileSet& into, bool must_exist) {
    auto entries = list(directory);
    if (!entries) {
      if (entries.error().code == ErrorCode::not_found && !must_exist) return std::nullopt;
      return entries.error();
    }
    for (const DirectoryEntry& entry : *entries) {
      if (entry.kind == EntryKind::directory) continue;
      StoreFile file = store_file(directory, entry);
      if (const auto start = start_of(entry.name)) {
        MappedFile mapped;
        static_cast<StoreFile&>(mapped) = std::move(file);
        mapped.start = *start;
        into.files.push_back(std::move(mapped));
      } else {
        into.strays.push_back(std::move(file));
      }
    }
    return std::nullopt;
  }

  // True when the file begins like a commit log file: a record or a BLANK.
  [[nodiscard]] bool begins_like_commit_log(const std::string& path) const {
    const auto file = files_.open(path);
    std::array<std::byte, 8> head{};
    if (!file) return false;
    const auto got = (*file)->read_at(0, head);
    if (!got || *got != head.size()) return false;
    const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
    return magic == format::kMagicV1 || magic == format::kMagicV2 || magic == format::kMagicBlank;
  }

  std::optional<Error> commit_log(const std::vector<DirectoryEntry>& root_entries) {
    std::vector<std::string> directories = survey_.config.commit_log_directories;
    const bool explicit_directories = !directories.empty();
    if (!explicit_directories) directories.push_back(join_path(survey_.root, "commitlog"));
    for (const std::string& directory : directories) {
      if (auto fault = mapped_files(directory, survey_.commit_log, explicit_directories)) return fault;
    }
    if (survey_.commit_log.files.empty() && !explicit_directories) {
      for (const std::string& directory : dledger_directories_) {
        if (auto fault = mapped_files(join_path(directory, "data"), survey_.commit_log, false)) return fault;
        survey_.commit_log_is_dledger = !survey_.commit_log.files.empty();
      }
    }
    for (const std::string& directory : dledger_directories_) {
      if (!survey_.commit_log_is_dledger) {
        collect(directory, OtherPart::dledger, kMaxDepth);
        continue;
      }
      collect(directory, OtherPart::dledger, 1);  // its state files
      collect(join_path(directory, "index"), OtherPart::dledger, kMaxDepth);
    }
    if (survey_.commit_log.files.empty() && !explicit_directories) {
      // A commit log over several directories (storePathCommitLog with commas) is named nowhere in the store.
      for (const DirectoryEntry& entry : root_entries) {
        if (entry.kind != EntryKind::directory || entry.name == "commitlog") continue;
        MappedFileSet found;
        const std::string directory = join_path(survey_.root, entry.name);
        if (mapped_files(directory, found, false) || found.files.empty()) continue;
        if (!begins_like_commit_log(found.files.front().path)) continue;
        survey_.config.commit_log_directories.push_back(directory);
        std::ranges::move(found.files, std::back_inserter(survey_.commit_log.files));
        std::ranges::move(found.strays, std::back_inserter(survey_.commit_log.strays));
      }
    }
    std::ranges::sort(survey_.commit_log.files, [](const MappedFile& a, const MappedFile& b) {
      return a.start != b.start ? a.start < b.start : a.path < b.path;
    });
    return std::nullopt;
  }

  std::optional<Error> consume_queues() {
    const bool elsewhere = !survey_.config.consume_queue_directory.empty();
    const std::string simple =
        elsewhere ? survey_.config.consume_queue_directory : join_path(survey_.root, "consumequeue");
    if (auto fault = queue_directory(simple, QueueKind::simple, elsewhere)) return fault;
    if (auto fault = queue_directory(join_path(survey_.root, "batchconsumequeue"), QueueKind::batch, false)) {
      return fault;
    }
    std::ranges::sort(survey_.queues, [](const Queue& a, const Queue& b) {
      return std::tie(a.topic, a.queue_id, a.kind) < std::tie(b.topic, b.queue_id, b.kind);
    });
    return ext_directory(join_path(survey_.root, "consumequeue_ext"));
  }

  std::optional<Error> queue_directory(const std::string& directory, QueueKind kind, bool must_exist) {
    auto topics = list(directory);
    if (!topics) {
      if (topics.error().code == ErrorCode::not_found && !must_exist) return std::nullopt;
      return topics.error();
    }
    if (kind == QueueKind::simple) survey_.consume_queue_directory_exists = true;
    for (const DirectoryEntry& topic : *topics) {
      const StoreFile file = store_file(directory, topic);
      if (topic.kind != EntryKind::directory) {
        // One without its CURRENT is a damaged database, and no heap of strange files.
        if (topic.name == "CURRENT" || topic.name.starts_with("MANIFEST-") || topic.name.ends_with(".sst"))
          survey_.consume_queue_is_rocksdb = true;
        survey_.queue_strays.push_back(file);
        continue;
      }
      if (auto fault = topic_directory(file.path, topic.name, kind)) return fault;
    }
    if (kind == QueueKind::simple && survey_.consume_queue_is_rocksdb) {
      for (StoreFile& file : survey_.queue_strays) {
        survey_.others.push_back({std::move(file), OtherPart::rocksdb});
      }
      survey_.queue_strays.clear();
    }
    return std::nullopt;
  }

  std::optional<Error> topic_directory(const std::string& directory, const std::string& topic, QueueKind kind) {
    auto queues = list(directory);
    // Gone since it was listed: beside a broker, topics are deleted at any time.
    if (!queues && queues.error().code == ErrorCode::not_found) return std::nullopt;
    if (!queues) return queues.error();
    for (const DirectoryEntry& entry : *queues) {
      const StoreFile file = store_file(directory, entry);
      std::int32_t queue_id = 0;
      const char* end = entry.name.data() + entry.name.size();
      const bool numeric = std::from_chars(entry.name.data(), end, queue_id).ptr == end && queue_id >= 0;
      if (entry.kind != EntryKind::directory || !numeric) {
        survey_.queue_strays.push_back(file);
        continue;
      }
      Queue queue;
      queue.topic = topic;
      queue.queue_id = queue_id;
      queue.kind = kind;
      queue.directory = file.shown;
      if (auto fault = mapped_files(file.path, queue.files, true)) {
        if (fault->code == ErrorCode::not_found) continue;
        return fault;
      }
      survey_.queues.push_back(std::move(queue));
    }
    return std::nullopt;
  }

  std::optional<Error> ext_directory(const std::string& directory) {
    if (!files_.stat(directory)) return std::nullopt;
    for (Queue& queue : survey_.queues) {
      if (queue.kind != QueueKind::simple) continue;
      const std::string path = join_path(join_path(directory, queue.topic), std::to_string(queue.queue_id));
      if (auto fault = mapped_files(path, queue.ext, false)) return fault;
    }
    return std::nullopt;
  }

  std::optional<Error> index() {
    const bool elsewhere = !survey_.config.index_directory.empty();
    const std::string directory =
        elsewhere ? survey_.config.index_directory : join_path(survey_.root, "index");
    auto entries = list(directory);
    if (!entries) {
      if (entries.error().code == ErrorCode::not_found && !elsewhere) return std::nullopt;
      return entries.error();
    }
    survey_.index_directory_exists = true;
    for (const DirectoryEntry& entry : *entries) {
      StoreFile file = store_file(directory, entry);
      if (const auto stamp = format::parse_index_file_name(entry.name); stamp && entry.kind == EntryKind::file) {
        IndexFileInfo info;
        static_cast<StoreFile&>(info) = std::move(file);
        info.stamp = *stamp;
        survey_.index_files.push_back(std::move(info));
      } else {
        survey_.index_strays.push_back(std::move(file));
      }
    }
    return std::nullopt;
  }

  void config_directory() {
    const std::string directory = survey_.config_directory();
    const auto entries = files_.list(directory);
    if (!entries) return;  // whoever needs it lists it again
    for (const DirectoryEntry& entry : *entries) {
      const StoreFile file = store_file(directory, entry);
      if (entry.kind == EntryKind::directory) {
        collect(file.path, OtherPart::rocksdb, kMaxDepth);  // config/{topics,subscriptionGroups,consumerOffsets,rdb}
      } else if (entry.name.starts_with("timercheck")) {
        survey_.others.push_back({file, OtherPart::timer});
      } else if (entry.kind == EntryKind::file || !may_be_asked(directory, entry)) {
        survey_.config_files.push_back(file);
      }
    }
  }

  // The size that most files have; the larger one where two are equally frequent.
  static std::int64_t vote(const std::map<std::int64_t, int>& votes) {
    std::int64_t winner = 0;
    int best = 0;
    for (const auto& [size, count] : votes) {
      if (size > 0 && count >= best) {
        winner = size;
        best = count;
      }
    }
    return winner;
  }

  void infer_sizes() {
    const StoreConfig& given = survey_.config;
    std::map<std::int64_t, int> log_votes;
    const auto& log = survey_.commit_log.files;
    for (std::size_t i = 0; i < log.size(); ++i) {
      ++log_votes[log[i].size];
      if (i > 0) ++log_votes[log[i].start - log[i - 1].start];
    }
    survey_.commit_log.file_size = given.commit_log_file_size.value_or(vote(log_votes));

    // Queue files have one configured size for all queues of a kind.
    std::map<std::int64_t, int> simple_votes;
    std::map<std::int64_t, int> batch_votes;
    std::map<std::int64_t, int> ext_votes;
    for (const Queue& queue : survey_.queues) {
      auto& votes = queue.kind == QueueKind::simple ? simple_votes : batch_votes;
      for (std::size_t i = 0; i < queue.files.files.size(); ++i) {
        ++votes[queue.files.files[i].size];
        if (i > 0) ++votes[queue.files.files[i].start - queue.files.files[i - 1].start];
      }
      for (const MappedFile& file : queue.ext.files) ++ext_votes[file.size];
    }
    const std::int64_t simple = given.consume_queue_file_size.value_or(vote(simple_votes));
    const std::int64_t batch = given.batch_consume_queue_file_size.value_or(vote(batch_votes));
    const std::int64_t ext = given.consume_queue_ext_file_size.value_or(vote(ext_votes));
    for (Queue& queue : survey_.queues) {
      queue.files.file_size = queue.kind == QueueKind::simple ? simple : batch;
      queue.ext.file_size = ext;
    }

    std::map<std::int64_t, int> index_votes;
    for (const IndexFileInfo& file : survey_.index_files) ++index_votes[file.size];
    survey_.index_file_size = vote(index_votes);
    if (given.index_slots && given.index_entries) {
      survey_.index_file_size = format::index_entry_position(*given.index_slots, *given.index_entries);
    }
  }

  [[nodiscard]] bool looks_like_a_store(const std::vector<DirectoryEntry>& entries) const {
    static constexpr std::array<std::string_view, 10> kParts{
        "commitlog", "consumequeue", "batchconsumequeue", "index", "config",
        "checkpoint", "abort", "compaction", "timerlog", "timerwheel"};
    return !survey_.commit_log.files.empty() || !survey_.queues.empty() ||
           std::ranges::any_of(entries, [](const DirectoryEntry& entry) {
             return std::ranges::find(kParts, entry.name) != kParts.end();
           });
  }

  Result<StoreSurvey> single_file(const DirectoryEntry& entry) {
    const std::size_t slash = survey_.root.find_last_of('/');
    const std::string directory = slash == std::string::npos ? "." : survey_.root.substr(0, slash);
    StoreFile file;
    file.path = survey_.root;
    file.shown = entry.name;
    file.name = entry.name;
    file.size = entry.size;
    file.modified_ms = entry.modified_ms;
    survey_.single_file = true;
    if (entry.size == 0) return wrong_use(survey_.root + " is empty: there is nothing to say about it");
    if (const auto stamp = format::parse_index_file_name(entry.name)) {
      IndexFileInfo info;
      static_cast<StoreFile&>(info) = file;
      info.stamp = *stamp;
      survey_.index_files.push_back(info);
      survey_.index_directory_exists = true;
    } else if (const auto start = start_of(entry.name)) {
      MappedFile mapped;
      static_cast<StoreFile&>(mapped) = file;
      mapped.start = *start;
      if (file_name_of(directory) == "commitlog" || begins_like_commit_log(file.path)) {
        survey_.commit_log.files.push_back(mapped);
      } else if (auto fault = single_queue_file(directory, mapped)) {
        return *std::move(fault);
      }
    } else {
      return wrong_use(survey_.root + " is neither a store directory nor a commit log, consume queue or index file");
    }
    infer_sizes();
    return std::move(survey_);
  }

  static std::string file_name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

  // consumequeue/<topic>/<queueId>/<offset>: topic and queue are in the path, or nowhere.
  std::optional<Error> single_queue_file(const std::string& directory, const MappedFile& file) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= directory.size();) {
      const std::size_t end = std::min(directory.find('/', at), directory.size());
      parts.push_back(directory.substr(at, end - at));
      at = end + 1;
    }
    Queue queue;
    const bool named = parts.size() >= 2;
    queue.topic = named ? parts[parts.size() - 2] : "?";
    if (named) {
      const std::string& id = parts.back();
      (void)std::from_chars(id.data(), id.data() + id.size(), queue.queue_id);
    }
    const std::string above = parts.size() >= 3 ? parts[parts.size() - 3] : "";
    const bool batch = above == "batchconsumequeue";
    queue.kind = batch ? QueueKind::batch : QueueKind::simple;
    const std::int64_t unit = batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
    // Where the path says what it is, a broken length is damage.
    if (file.size % unit != 0 && !batch && above != "consumequeue") {
      return wrong_use(survey_.root + " is neither a commit log file (no record at its start) nor a consume queue "
                       "file (its size is no multiple of " + std::to_string(unit) + ")");
    }
    queue.directory = directory;
    queue.files.files.push_back(file);
    survey_.consume_queue_directory_exists = true;
    survey_.queues.push_back(std::move(queue));
    return std::nullopt;
  }

  const io::ReadFileSystem& files_;
  StoreSurvey survey_;
  std::vector<std::string> dledger_directories_;
};

}  // namespace

std::int64_t StoreSurvey::commit_log_bytes() const {
  std::int64_t bytes = 0;
  for (const MappedFile& file : commit_log.files) bytes += file.size;
  return bytes;
}

const OtherFile* StoreSurvey::left_by_5x() const {
  const auto found = std::ranges::find_if(others, [](const OtherFile& file) {
    return file.part == OtherPart::compaction || file.part == OtherPart::timer || file.part == OtherPart::epoch ||
           file.name == "abort.bak";
  });
  return found == others.end() ? nullptr : &*found;
}

std::string StoreSurvey::config_directory() const {
  return config.config_directory.empty() ? join_path(root, "config") : config.config_directory;
}

Result<StoreSurvey> survey_store(const io::ReadFileSystem& files, const StoreConfig& config) {
  return Surveyor(files, config).run();
}

}  // namespace rmq::scan
