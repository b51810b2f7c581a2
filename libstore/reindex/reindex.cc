#include "libstore/reindex/reindex.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>

#include "libstore/base/parallel.h"
#include "libstore/derive/index_writer.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo_journal.h"
#include "libstore/recovery/undo_manifest.h"
#include "libstore/reindex/compare.h"
#include "libstore/reindex/harvest.h"
#include "libstore/reindex/index_image.h"
#include "libstore/reindex/queue_image.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::reindex {
namespace {

constexpr std::size_t kWriteBuffer = 1 << 20;
constexpr std::int64_t kFewFiles = 256;
constexpr std::size_t kMostTold = 20;  // steps of a plan that are a reason to refuse

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::int64_t whole_units(std::int64_t size, std::int64_t unit) {
  return std::max(size + unit - 1, unit) / unit * unit;
}

// Where things of a directory go that leave it: in the same file system, also where it is not below the root.
std::string place_for(const std::string& directory, const std::string& root) {
  return recovery::is_below(directory, root)
             ? io::join_path(root, recovery::kLostAndFound)
             : io::join_path(io::parent_of(directory), recovery::kLostAndFoundElsewhere);
}

// The first error of several threads; `failed` makes the others stop.
class FirstError {
 public:
  void note(const Status& status) {
    if (status) return;
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = status.error();
    failed_.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_relaxed); }
  [[nodiscard]] Status status() const { return error_ ? Status(*error_) : Status(); }

 private:
  std::mutex mutex_;
  std::atomic<bool> failed_ = false;
  std::optional<Error> error_;
};

// One of the three directories that are made.
struct Home {
  std::string directory;  // in the store
  std::string aside;      // where its successor is made
  std::string old;        // where it goes
};

class Reindexer {
 public:
  Reindexer(io::FileSystem& files, const scan::StoreSurvey& survey, const ReindexOptions& options)
      : files_(files), survey_(survey), options_(options), root_(survey.root) {}

  Result<ReindexReport> run() {
    RMQ_CHECK(settle());
    Status done = work();
    if (!done) {
      if (!swapping_) (void)clean_up();
      return done.error();
    }
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool in_place() const { return options_.out.empty() && options_.mode != Mode::verify; }

  Status settle() {
    if (survey_.single_file) return wrong_use(root_ + " is one file; a whole store is needed");
    simple_size_ = format::kDefaultConsumeQueueFileSize;
    batch_size_ = format::kDefaultBatchConsumeQueueFileSize;
    const scan::StoreConfig& config = survey_.config;
    if (config.consume_queue_file_size) simple_size_ = *config.consume_queue_file_size;
    if (config.batch_consume_queue_file_size) batch_size_ = *config.batch_consume_queue_file_size;
    for (const scan::Queue& queue : survey_.queues) {
      if (queue.files.file_size == 0) continue;
      (queue.kind == scan::QueueKind::batch ? batch_size_ : simple_size_) = queue.files.file_size;
    }
    simple_size_ = whole_units(simple_size_, format::kConsumeQueueEntrySize);
    batch_size_ = whole_units(batch_size_, format::kBatchConsumeQueueEntrySize);
    if (config.index_slots) shape_.slots = *config.index_slots;
    if (config.index_entries) shape_.entries = *config.index_entries;
    if (options_.index) {
      const auto geometries = scan::infer_index_geometries(files_, survey_);
      for (const scan::IndexGeometry& one : geometries) {
        if (!one.known()) continue;
        shape_.slots = static_cast<std::int32_t>(one.slots);
        shape_.entries = static_cast<std::int32_t>(one.entries);
      }
      if (shape_.slots < 1 || shape_.entries < 2) return wrong_use("an index file needs slots and entries");
    }

    simple_.directory = config.consume_queue_directory.empty() ? io::join_path(root_, "consumequeue")
                                                               : config.consume_queue_directory;
    batch_.directory = io::join_path(root_, "batchconsumequeue");
    index_.directory =
        config.index_directory.empty() ? io::join_path(root_, "index") : config.index_directory;
    RMQ_CHECK(choose_places(simple_, "consumequeue"));
    RMQ_CHECK(choose_places(batch_, "batchconsumequeue"));
    return choose_places(index_, "index");
  }

  // What is made lies in the same file system as what it replaces.
  Status choose_places(Home& home, const char* name) {
    if (options_.mode == Mode::verify) return {};
    if (!options_.out.empty()) {
      home.aside = io::join_path(options_.out, name);
      return {};
    }
    if (stamp_.empty()) {
      const std::string directory = recovery::lost_and_found_directory(files_, root_, options_.now_ms);
      stamp_ = directory.substr(directory.find_last_of('/') + 1);
    }
    const std::string place = io::join_path(place_for(home.directory, root_), stamp_);
    if (std::ranges::find(places_, place) == places_.end()) places_.push_back(place);
    home.aside = io::join_path(io::join_path(place, kBuildDirectory), name);
    home.old = io::join_path(place, name);
    return {};
  }

  Status work() {
    const auto began = Clock::now();
    for (const std::string& one : places_) {
      if (!files_.stat(io::parent_of(one))) made_parents_.push_back(io::parent_of(one));
      RMQ_CHECK(files_.make_directories(io::join_path(one, kBuildDirectory)));
    }
    if (!options_.out.empty()) {
      RMQ_CHECK(files_.make_directories(options_.out));
      RMQ_TRY(there, files_.list(options_.out));
      if (!there.empty()) return wrong_use(options_.out + " is not empty");
    }
    HarvestOptions harvest;
    if (options_.queues) {
      harvest.wants_queue = [this](std::string_view topic, std::int32_t queue_id) {
        return !options_.wants_queue || options_.wants_queue(topic, queue_id);
      };
    }
    harvest.index = options_.index;
    harvest.units_in_file = simple_size_ / format::kConsumeQueueEntrySize;
    harvest.workers = options_.jobs;
    harvest.memory_limit = options_.memory_limit;
    harvest.spill_directory = in_place()             ? places_.front()
                              : options_.out.empty() ? options_.spill_directory
                                                     : io::join_path(options_.out, "spill");
    harvest.progress = options_.progress;
    harvest_.emplace(files_, std::move(harvest));
    recovery::PlanOptions plan;
    plan.jobs = options_.jobs;
    plan.cancelled = options_.cancelled;
    plan.judge_index = false;
    plan.taps = &*harvest_;
    const io::ReadFileSystem& log_files = options_.log_files != nullptr ? *options_.log_files : files_;
    RMQ_TRY(made, recovery::make_plan(log_files, survey_, plan));
    plan_ = std::move(made);
    RMQ_CHECK(harvest_->status());
    report_.records = plan_.records;
    report_.bytes_read = plan_.bytes_read;
    see_what_the_log_needs();
    if (!report_.refusals.empty()) return clean_up();
    harvest_->gather();
    report_.unusable = harvest_->unusable();
    report_.bytes_spilled = harvest_->spilled_bytes();
    report_.seconds_reading = seconds_since(began);

    const auto reading_ended = Clock::now();
    RMQ_CHECK(enough_space());
    syncs_each_ = makes_few_files();
    RMQ_CHECK(build());
    if (!in_place()) {
      if (!options_.out.empty()) RMQ_CHECK(sync_all_below(options_.out));
      report_.seconds_writing = seconds_since(reading_ended);
      return clean_up();
    }
    for (const std::string& one : places_) RMQ_CHECK(sync_all_below(one));
    report_.seconds_writing = seconds_since(reading_ended);
    if (options_.cancelled && options_.cancelled()) return Error{ErrorCode::cancelled, 0, "rebuilding"};
    const auto writing_ended = Clock::now();
    RMQ_CHECK(swap());
    report_.seconds_swapping = seconds_since(writing_ended);
    return {};
  }

  // What was built, and what for.
  Status clean_up() {
    harvest_.reset();
    for (const std::string& one : places_) {
      RMQ_CHECK(remove_tree(files_, io::join_path(one, kBuildDirectory)));
      RMQ_TRY(rest, files_.list(one));
      if (rest.empty()) RMQ_CHECK(files_.remove(one));
    }
    for (const std::string& one : made_parents_) {
      RMQ_TRY(rest, files_.list(one));
      if (rest.empty()) RMQ_CHECK(files_.remove(one));
    }
    if (!options_.out.empty()) RMQ_CHECK(remove_tree(files_, io::join_path(options_.out, "spill")));
    if (options_.mode == Mode::verify && !options_.spill_directory.empty())
      RMQ_CHECK(remove_tree(files_, options_.spill_directory));
    return {};
  }

  // Steps that change the log are repair's.
  void see_what_the_log_needs() {
    std::set<std::string> directories;
    for (const scan::MappedFile& file : survey_.commit_log.files)
      directories.insert(io::parent_of(file.path));
    const auto add = [&](std::string why) {
      if (report_.refusals.size() < kMostTold) report_.refusals.push_back(std::move(why));
    };
    for (const std::string& why : plan_.refusals) add(why);
    for (const recovery::Step& step : plan_.steps) {
      if (!directories.contains(io::parent_of(step.path))) continue;
      report_.log_is_damaged = true;
      add(fmt::format("{}: {}", step.shown, step.why));
    }
  }

  // A sync of the file system takes others' files along, and is still less work where there are very many of
  // ours.
  Status sync_all_below(const std::string& directory) {
    if (!syncs_each_) return files_.sync_file_system(directory);
    RMQ_TRY(entries, files_.list(directory));
    for (const io::DirectoryEntry& entry : entries) {
      if (entry.kind == io::EntryKind::directory)
        RMQ_CHECK(sync_all_below(io::join_path(directory, entry.name)));
    }
    return files_.sync_directory(directory);
  }

  [[nodiscard]] bool makes_few_files() const {
    std::int64_t files = options_.index ? harvest_->keys() / shape_.keys_in_file() + 1 : 0;
    for (const auto& [id, queue] : harvest_->queues())
      files += 2 + harvest_->bytes_of(queue) / (queue.batch ? batch_size_ : simple_size_);
    return options_.mode == Mode::rebuild && files <= kFewFiles;
  }

  Status enough_space() {
    if (options_.mode == Mode::verify) return {};
    std::int64_t wanted = 0;
    if (options_.index)
      wanted +=
          harvest_->keys() * format::kIndexEntrySize + std::int64_t{shape_.slots} * format::kIndexSlotSize;
    for (const auto& [id, queue] : harvest_->queues()) wanted += harvest_->bytes_of(queue);
    const std::string where = options_.out.empty() ? places_.front() : options_.out;
    RMQ_TRY(space, files_.space(where));
    if (space.free >= wanted) return {};
    return Error{ErrorCode::io_error, ENOSPC,
                 fmt::format("{}: {} bytes are needed, {} are free", where, wanted, space.free)};
  }

  // ---- queues and index files, several at a time

  struct QueueTask {
    recovery::QueueId id;
    const Harvest::QueueHarvest* harvest = nullptr;  // none: the log has no message of it
    const scan::Queue* there = nullptr;
    QueueReport report;
    std::int64_t bytes = 0;
    bool whole = false;             // all of its files were made
    std::vector<std::string> made;  // otherwise these
  };
  struct IndexTask {
    IndexFilePlan plan;
    std::string name;
    IndexReport report;
  };

  Status build() {
    std::vector<QueueTask> queues = queue_tasks();
    std::vector<IndexTask> index;
    if (options_.index)
      RMQ_CHECK(options_.mode == Mode::rebuild ? plan_index(index) : compare_with_index(index));
    const std::size_t files = options_.mode == Mode::verify ? 0 : index.size();
    std::vector<std::optional<IndexFileMaker>> makers(options_.jobs);
    FirstError error;
    const auto stop = [&] { return error.failed() || (options_.cancelled && options_.cancelled()); };
    parallel_for(options_.jobs, files + queues.size(), stop, [&](std::size_t worker, std::size_t i) {
      if (i < files) {
        error.note(make_index_file(makers[worker], index[i]));
      } else if (options_.mode == Mode::rebuild) {
        error.note(make_queue(queues[i - files]));
      } else {
        error.note(compare_queue(queues[i - files]));
      }
    });
    RMQ_CHECK(error.status());
    if (options_.cancelled && options_.cancelled()) return Error{ErrorCode::cancelled, 0, "rebuilding"};
    for (std::size_t i = 0; i < files; ++i) report_.index.push_back(index[i].report);
    std::ranges::sort(report_.index, {}, &IndexReport::file);
    if (options_.index) report_.keys = harvest_->keys();
    for (QueueTask& task : queues) {
      report_.units += task.report.units;
      report_.bytes_written += task.bytes;
      report_.queues.push_back(task.report);
    }
    queues_ = std::move(queues);
    return {};
  }

  // Of every queue that is wanted and that the log or the store has.
  std::vector<QueueTask> queue_tasks() {
    std::map<recovery::QueueId, QueueTask> tasks;
    for (const auto& [id, harvest] : harvest_->queues()) tasks[id].harvest = &harvest;
    for (const scan::Queue& queue : survey_.queues) {
      const recovery::QueueId id{queue.topic, queue.queue_id};
      if (!wants(queue.topic, queue.queue_id)) continue;
      const bool batch = plan_.batch_topics.contains(queue.topic);
      if (batch == (queue.kind == scan::QueueKind::batch)) tasks[id].there = &queue;
    }
    std::vector<QueueTask> list;
    for (auto& [id, task] : tasks) {
      task.id = id;
      task.report.topic = id.topic;
      task.report.queue_id = id.queue_id;
      list.push_back(std::move(task));
    }
    return list;
  }

  [[nodiscard]] bool wants(const std::string& topic, std::int32_t queue_id) const {
    return options_.queues && (!options_.wants_queue || options_.wants_queue(topic, queue_id));
  }

  [[nodiscard]] Result<QueueShape> lay_out(const QueueTask& task, std::int64_t file_size,
                                           const std::function<Status(const Stretch&)>& take) const {
    if (task.harvest == nullptr) return QueueShape{};
    return lay_out_queue(*harvest_, *task.harvest, plan_.floor_of(task.id.topic, task.id.queue_id), file_size,
                         take);
  }

  static void tell_shape(const QueueShape& shape, QueueReport& report) {
    report.units = shape.units;
    report.min_offset = shape.min_offset;
    report.max_offset = shape.next_offset;
    report.dropped = shape.dropped;
  }

  [[nodiscard]] bool is_batch(const QueueTask& task) const {
    return plan_.batch_topics.contains(task.id.topic);
  }

  [[nodiscard]] std::string aside_of(const QueueTask& task) const {
    return io::join_path(io::join_path(is_batch(task) ? batch_.aside : simple_.aside, task.id.topic),
                         std::to_string(task.id.queue_id));
  }

  Status make_queue(QueueTask& task) {
    const std::int64_t file_size = is_batch(task) ? batch_size_ : simple_size_;
    QueueFileWriter writer(files_, aside_of(task), file_size, kWriteBuffer, syncs_each_);
    RMQ_TRY(shape, lay_out(task, file_size, [&](const Stretch& stretch) { return writer.take(stretch); }));
    RMQ_CHECK(writer.finish());
    task.bytes = writer.bytes();
    task.whole = shape.units > 0;
    tell_shape(shape, task.report);
    task.report.outcome = shape.units > 0 ? Outcome::rebuilt : Outcome::kept;
    if (shape.units > 0 || task.there == nullptr) return {};
    // Nothing can be made in its place; but is it only old?
    const CompareContext context{&files_, &survey_, plan_.log_begin};
    QueueComparison comparison(context, task.there, is_batch(task));
    comparison.finish(shape);
    task.report.extra = comparison.extra();
    task.report.first_difference = comparison.first_difference();
    if (!comparison.same()) task.report.outcome = Outcome::differs;
    return {};
  }

  Status compare_queue(QueueTask& task) {
    const bool is_there = task.there != nullptr && !task.there->files.files.empty();
    const std::int64_t file_size = is_there         ? task.there->files.file_size
                                   : is_batch(task) ? batch_size_
                                                    : simple_size_;
    const CompareContext context{&files_, &survey_, plan_.log_begin};
    QueueComparison comparison(context, task.there, is_batch(task));
    RMQ_TRY(shape,
            lay_out(task, file_size, [&](const Stretch& stretch) { return comparison.take(stretch); }));
    comparison.finish(shape);
    QueueReport& report = task.report;
    tell_shape(shape, report);
    report.missing = comparison.missing();
    report.wrong = comparison.wrong();
    report.extra = comparison.extra();
    report.first_difference = comparison.first_difference();
    report.outcome = !comparison.same() ? Outcome::differs : shape.units > 0 ? Outcome::same : Outcome::kept;
    if (options_.mode == Mode::verify || report.missing == 0) return {};
    if (is_there) {
      QueueFiller filler(files_, *task.there, comparison, aside_of(task));
      const auto filled =
          lay_out(task, file_size, [&](const Stretch& stretch) { return filler.take(stretch); });
      if (!filled) return filled.error();
      RMQ_CHECK(filler.finish());
      task.made = filler.made();
      task.bytes = filler.bytes();
    } else {
      QueueReport told = report;
      RMQ_CHECK(make_queue(task));
      report = std::move(told);
    }
    if (report.wrong + report.extra == 0) report.outcome = Outcome::filled;
    return {};
  }

  [[nodiscard]] Result<std::int64_t> stamp_for(std::int64_t key) const {
    std::int64_t when = options_.now_ms;
    if (harvest_->keys() > 0) {
      RMQ_TRY(first, key_at(*harvest_, std::min(key, harvest_->keys() - 1)));
      when = std::clamp<std::int64_t>(first.store_timestamp, 0, options_.now_ms);
    }
    return derive::index_file_stamp(options_.local_time_ms ? options_.local_time_ms(when) : when);
  }

  // Each is named by the store time of its first message, in the order of the log.
  Status plan_index(std::vector<IndexTask>& tasks) {
    RMQ_TRY(plans, plan_index_files(*harvest_, shape_));
    std::int64_t last = 0;
    for (const IndexFilePlan& plan : plans) {
      RMQ_TRY(stamp, stamp_for(plan.from));
      last = std::max(stamp, last + 1);
      tasks.push_back({plan, derive::index_file_name(last), {}});
    }
    return {};
  }

  // What is there is told; what is missing between two files, or behind the last one, becomes files of its
  // own.
  Status compare_with_index(std::vector<IndexTask>& tasks) {
    const CompareContext context{&files_, &survey_, plan_.log_begin};
    RMQ_TRY(comparison, compare_index(context, *harvest_, options_.jobs, options_.cancelled));
    for (std::size_t i = 0; i < comparison.files.size(); ++i) {
      IndexFileVerdict& verdict = comparison.verdicts[i];
      IndexReport report;
      report.file = comparison.files[i].info.shown;
      report.entries = verdict.entries;
      report.missing = verdict.missing;
      report.wrong = verdict.wrong;
      report.first_difference = std::move(verdict.first_difference);
      report.outcome = report.missing + report.wrong > 0 ? Outcome::differs : Outcome::same;
      report_.index.push_back(std::move(report));
    }
    for (const IndexGap& gap : comparison.gaps) {
      const std::int64_t before = gap.before > 0 ? comparison.files[gap.before - 1].info.stamp : 0;
      if (options_.mode == Mode::verify) {
        IndexReport report;
        report.file =
            gap.before > 0 ? "behind " + comparison.files[gap.before - 1].info.shown : index_.directory;
        report.missing = gap.end - gap.from;
        RMQ_TRY(first, key_at(*harvest_, gap.from));
        report.first_difference = fmt::format("no file has the keys of the message at {}", first.log_offset);
        report.outcome = Outcome::differs;
        report_.index.push_back(std::move(report));
        continue;
      }
      RMQ_TRY(wished, stamp_for(gap.from));
      const std::int64_t files = (gap.end - gap.from + shape_.keys_in_file() - 1) / shape_.keys_in_file();
      std::int64_t stamp = std::max(wished, before + 1);
      if (gap.before < comparison.files.size())
        stamp = std::min(stamp, comparison.files[gap.before].info.stamp - files);
      if (stamp <= before)
        return wrong_use("the index has no room between the names of its files; use --index");
      for (std::int64_t from = gap.from; from < gap.end; from += shape_.keys_in_file()) {
        IndexTask task{
            {from, std::min(from + shape_.keys_in_file(), gap.end)}, derive::index_file_name(stamp++), {}};
        task.report.missing = task.plan.end - task.plan.from;
        tasks.push_back(std::move(task));
      }
    }
    return {};
  }

  Status make_index_file(std::optional<IndexFileMaker>& maker, IndexTask& task) {
    if (!maker) {
      RMQ_TRY(made, IndexFileMaker::make(shape_, kWriteBuffer));
      maker.emplace(std::move(made));
    }
    const std::string path = io::join_path(index_.aside, task.name);
    RMQ_TRY(file, files_.create_unsynced(path, shape_.file_size()));
    RMQ_TRY(header, maker->write(*harvest_, task.plan, *file));
    if (header.end_timestamp > 0) RMQ_CHECK(files_.set_modified(path, header.end_timestamp));
    if (syncs_each_) RMQ_CHECK(file->sync());
    task.report.file = "index/" + task.name;
    task.report.outcome = options_.mode == Mode::fill ? Outcome::filled : Outcome::rebuilt;
    task.report.entries = header.index_count - 1;
    last_index_timestamp_ = std::max(last_index_timestamp_.load(), header.end_timestamp);
    return {};
  }

  // ---- into the store

  [[nodiscard]] Replacement replacement(const Home& home, const std::string& below) const {
    const auto in = [&](const std::string& directory) {
      return below.empty() ? directory : io::join_path(directory, below);
    };
    return {in(home.directory), files_.stat(in(home.directory)) ? in(home.old) : std::string(),
            in(home.aside)};
  }

  // The fewest renames: whole directories where nothing else is in them.
  void replace_queues(const Home& home, scan::QueueKind kind, std::vector<Replacement>& into) {
    std::map<std::string, std::set<std::int32_t>> made;
    for (const QueueTask& one : queues_) {
      if (is_batch(one) != (kind == scan::QueueKind::batch)) continue;
      if (one.whole) made[one.id.topic].insert(one.id.queue_id);
      const std::string below = io::join_path(one.id.topic, std::to_string(one.id.queue_id));
      for (const std::string& name : one.made) into.push_back(replacement(home, io::join_path(below, name)));
    }
    if (made.empty()) return;
    std::map<std::string, std::set<std::int32_t>> stays;
    for (const scan::Queue& queue : survey_.queues) {
      if (queue.kind != kind) continue;
      const auto topic = made.find(queue.topic);
      if (topic == made.end() || !topic->second.contains(queue.queue_id))
        stays[queue.topic].insert(queue.queue_id);
    }
    std::set<std::string> stray_topics;
    bool strays = false;
    for (const scan::StoreFile& stray : survey_.queue_strays) {
      if (!recovery::is_below(stray.path, home.directory)) continue;
      strays = true;
      const std::string below = stray.path.substr(home.directory.size() + 1);
      stray_topics.insert(below.substr(0, below.find('/')));
    }
    if (stays.empty() && !strays) return into.push_back(replacement(home, ""));
    for (const auto& [topic, queues] : made) {
      if (!stays.contains(topic) && !stray_topics.contains(topic)) {
        into.push_back(replacement(home, topic));
      } else {
        for (const std::int32_t queue : queues)
          into.push_back(replacement(home, io::join_path(topic, std::to_string(queue))));
      }
    }
  }

  Status swap() {
    Swap swap;
    swap.root = root_;
    swap.directory = places_.front();
    for (const std::string& one : {simple_.directory, batch_.directory, index_.directory})
      if (!recovery::is_below(one, root_)) swap.others.push_back(one);
    swap.had_abort = survey_.abort.has_value();
    if (options_.queues) {
      replace_queues(simple_, scan::QueueKind::simple, swap.replacements);
      replace_queues(batch_, scan::QueueKind::batch, swap.replacements);
    }
    if (options_.index && options_.mode == Mode::rebuild && !report_.index.empty())
      swap.replacements.push_back(replacement(index_, ""));
    if (options_.index && options_.mode == Mode::fill) {
      for (const IndexReport& one : report_.index)
        if (one.outcome == Outcome::filled)
          swap.replacements.push_back(replacement(index_, one.file.substr(one.file.find('/') + 1)));
    }
    harvest_.reset();
    if (swap.replacements.empty()) return clean_up();
    report_.kept_in = swap.directory;
    RMQ_CHECK(set_checkpoints(swap));
    swapping_ = true;
    RMQ_CHECK(swap_in(files_, swap));
    for (const std::string& one : places_)
      RMQ_CHECK(remove_files_below(files_, io::join_path(one, kBuildDirectory)));
    return {};
  }

  Status set_checkpoints(Swap& swap) {
    if (!survey_.checkpoint || survey_.checkpoint->size != format::kCheckpointFileSize) return {};
    RMQ_TRY(bytes, io::read_all(files_, survey_.checkpoint->path, format::kCheckpointFileSize));
    swap.has_checkpoint = true;
    const format::StoreCheckpoint now = format::StoreCheckpoint::read(bytes);
    swap.meanwhile = now;
    swap.meanwhile.logics_msg_timestamp = 0;
    if (options_.index)
      swap.meanwhile.index_msg_timestamp = std::min<std::int64_t>(now.index_msg_timestamp, 1);
    swap.afterwards = now;
    format::StoreCheckpoint& then = swap.afterwards;
    // Never more than the log has.
    const auto at_most = [&](std::int64_t& field) { field = std::min(field, plan_.last_store_timestamp); };
    at_most(then.physic_msg_timestamp);
    at_most(then.logics_msg_timestamp);
    at_most(then.index_msg_timestamp);
    if (options_.index && options_.mode == Mode::rebuild) then.index_msg_timestamp = last_index_timestamp_;
    // Stock takes it for the index too: both are on disk now.
    const bool all = options_.queues && !options_.wants_queue && options_.index;
    if (all && options_.mode == Mode::rebuild) then.logics_msg_timestamp = plan_.last_store_timestamp;
    return {};
  }

  io::FileSystem& files_;
  const scan::StoreSurvey& survey_;
  const ReindexOptions& options_;
  std::string root_;
  std::int64_t simple_size_ = 0;
  std::int64_t batch_size_ = 0;
  IndexShape shape_;
  Home simple_;
  Home batch_;
  Home index_;
  std::string stamp_;
  std::vector<std::string> places_;        // in lost+found; the first one lies below the root
  std::vector<std::string> made_parents_;  // of them
  bool syncs_each_ = false;                // files by themselves, not all of the file system at the end
  bool swapping_ = false;
  std::optional<Harvest> harvest_;
  recovery::Plan plan_;
  std::atomic<std::int64_t> last_index_timestamp_ = 0;
  std::vector<QueueTask> queues_;
  ReindexReport report_;
};

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::rebuilt: return "rebuilt";
    case Outcome::filled: return "filled";
    case Outcome::same: return "same";
    case Outcome::differs: return "differs";
    case Outcome::kept: return "kept";
  }
  return "?";
}

bool ReindexReport::problems_left() const {
  const auto differs = [](const auto& one) { return one.outcome == Outcome::differs; };
  return !refusals.empty() || std::ranges::any_of(queues, differs) || std::ranges::any_of(index, differs) ||
         std::ranges::any_of(queues, [](const QueueReport& one) { return one.dropped > 0; });
}

Result<ReindexReport> run_reindex(io::FileSystem& files, const scan::StoreSurvey& survey,
                                  const ReindexOptions& options) {
  return Reindexer(files, survey, options).run();
}

Result<std::vector<std::string>> take_back_earlier_runs(io::FileSystem& files,
                                                        const scan::StoreConfig& config) {
  std::vector<std::string> places{io::join_path(config.root, recovery::kLostAndFound)};
  for (const std::string& directory : {config.consume_queue_directory, config.index_directory})
    if (!directory.empty() && !recovery::is_below(directory, config.root))
      places.push_back(place_for(directory, config.root));
  return take_back_unfinished(files, config.root, places);
}

}  // namespace rmq::reindex
