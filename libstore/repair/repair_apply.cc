#include "libstore/repair/repair_apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "libstore/engine/message_store.h"
#include "libstore/format/index_file.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/format/store_lock.h"
#include "libstore/recovery/apply.h"
#include "libstore/recovery/plan_text.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo.h"
#include "libstore/recovery/undo_journal.h"
#include "libstore/repair/queue_times.h"

namespace rmq::repair {
namespace {

class Applier {
 public:
  Applier(io::FileSystem& files, const ApplyOptions& options)
      : files_(files), options_(options), root_(options.config.root) {}

  Applied run() {
    const std::string lock_path = io::join_path(root_, format::kStoreLockFileName);
    if (!take_back_unfinished(lock_path)) return std::move(applied_);
    recovery::UndoOptions keeping;
    keeping.root = root_;
    keeping.others = options_.config.commit_log_directories;
    keeping.directory = options_.undo_directory.empty()
                            ? recovery::lost_and_found_directory(files_, root_, options_.now_ms)
                            : options_.undo_directory;
    keeping.purpose = "rmq-repair";
    keeping.plan = options_.plan_hash;
    keeping.cancelled = options_.request.cancelled;
    const bool lock_was_there = files_.stat(lock_path).has_value();
    recovery::UndoJournal journal(files_, keeping);
    auto lock = journal.lock(lock_path);
    if (!lock) return fail(ApplyFault::refused, lock.error());
    lock_ = std::move(*lock);
    if (!look_again()) return leave(lock_path, lock_was_there);
    if (applied_.report.plan.changes_nothing()) return leave(lock_path, lock_was_there);
    if (options_.is_copy) {
      if (Status done = change(files_, nullptr); !done) return fail(ApplyFault::stuck, done.error());
      return std::move(applied_);
    }
    if (Status begun = journal.begin(); !begun) return fail(ApplyFault::refused, begun.error());
    Status done = change(journal, &journal);
    if (done) done = journal.end();
    if (done) {
      applied_.report.undo_directory = journal.directory();
      return std::move(applied_);
    }
    if (Status undone = recovery::undo(files_, journal.directory()); !undone) {
      applied_.report.undo_directory = journal.directory();
      return fail(ApplyFault::stuck,
                  wrong_use(fmt::format("{}; and it could not all be put back: {}", done.error().message(),
                                        undone.error().message())));
    }
    return fail(ApplyFault::rolled_back, done.error());
  }

 private:
  void note(ApplyFault fault, Error error) {
    applied_.fault = fault;
    applied_.error = std::move(error);
  }
  Applied fail(ApplyFault fault, Error error) {
    note(fault, std::move(error));
    return std::move(applied_);
  }

  // Nothing was changed: a lock file that was not there is not left behind.
  Applied leave(const std::string& lock_path, bool lock_was_there) {
    if (!lock_was_there) (void)files_.remove(lock_path);
    return std::move(applied_);
  }

  // What a run of the same plan did before it was killed.
  bool take_back_unfinished(const std::string& lock_path) {
    if (options_.plan_hash.empty()) return true;
    std::vector<std::string> unfinished = recovery::unfinished_undos(files_, root_, options_.plan_hash);
    if (!options_.undo_directory.empty()) {
      const auto other = recovery::read_undo(files_, options_.undo_directory);
      if (other && !other->finished && other->plan == options_.plan_hash)
        unfinished.push_back(options_.undo_directory);
    }
    for (const std::string& directory : unfinished) {
      const auto lock = files_.lock(lock_path);
      if (!lock) {
        note(ApplyFault::refused, lock.error());
        return false;
      }
      if (const Status undone = recovery::undo(files_, directory); !undone) {
        note(ApplyFault::refused, undone.error());
        return false;
      }
      ++applied_.report.resumed;
    }
    return true;
  }

  // The store may have changed since the plan was made: only the same plan is carried out.
  bool look_again() {
    const auto survey = scan::survey_store(files_, options_.config);
    if (!survey) {
      note(ApplyFault::refused, survey.error());
      return false;
    }
    auto plan = plan_repair(files_, *survey, options_.request);
    if (!plan) {
      const bool cancelled = plan.error().code == ErrorCode::cancelled;
      note(cancelled ? ApplyFault::rolled_back : ApplyFault::refused, plan.error());
      return false;
    }
    applied_.report.plan = std::move(*plan);
    const RepairPlan& made = applied_.report.plan;
    if (!options_.plan_hash.empty() && made.hash != options_.plan_hash) {
      note(ApplyFault::refused,
           wrong_use(root_ + " is not what the plan was made for: make a new plan and look at it"));
      return false;
    }
    if (!made.recovery.possible()) {
      note(ApplyFault::not_mended, wrong_use(made.recovery.refusals.front()));
      return false;
    }
    return made.changes_nothing() || has_room(made.bytes_needed);
  }

  bool has_room(std::int64_t needed) {
    const auto space = files_.space(root_);
    if (!space || space->free >= needed) return true;
    note(ApplyFault::no_space,
         os_error(ENOSPC, fmt::format("{} bytes are needed in {}, {} are free; --undo DIR keeps the "
                                      "old bytes elsewhere, --out DIR makes a mended copy",
                                      needed, root_, space->free)));
    return false;
  }

  // `journal`: where to look which files were changed.
  Status change(io::FileSystem& files, const recovery::UndoJournal* journal) {
    const RepairPlan& plan = applied_.report.plan;
    if (journal != nullptr) {
      const std::string told = recovery::steps_as_json(plan.recovery);
      RMQ_CHECK(files_.replace(io::join_path(journal->directory(), recovery::kUndoPlan),
                               std::as_bytes(std::span(told))));
    }
    if (!plan.finishes) return recovery::carry_out(files, plan.recovery.steps);
    engine::StoreOptions open;
    open.config = options_.config;
    open.flush = engine::FlushDiskType::sync_flush;  // the log is not mapped
    open.check = recovery::Depth::full;
    open.background = false;
    open.jobs = options_.request.jobs;
    open.lock = lock_;
    open.files_keep = true;
    open.planner = [&plan](const scan::StoreSurvey&, const recovery::PlanOptions&) {
      return Result<recovery::Plan>(plan.recovery);
    };
    RMQ_TRY(store, engine::MessageStore::open(files, std::move(open)));
    RMQ_CHECK(store->close());
    store.reset();
    RMQ_TRY(survey, scan::survey_store(files_, options_.config));
    RMQ_CHECK(date_queue_files(files, survey, journal));
    RMQ_CHECK(claim(files, survey, plan.recovery));
    return files.sync_file_system(root_);
  }

  // Log, queues and index are complete and on disk now. A checkpoint that was missing claims nothing yet, and
  // one at work claims only full index files: stock begins the last one again after a crash, with the
  // messages of the log's end alone (IndexService.load).
  static Status claim(io::FileSystem& files, const scan::StoreSurvey& survey,
                      const recovery::Plan& recovered) {
    if (!survey.checkpoint || survey.checkpoint->size != format::kCheckpointFileSize) return {};
    RMQ_TRY(bytes, io::read_all(files, survey.checkpoint->path, format::kCheckpointFileSize));
    format::StoreCheckpoint checkpoint = format::StoreCheckpoint::read(bytes);
    const format::StoreCheckpoint claimed = checkpoint;
    if (checkpoint.physic_msg_timestamp == 0 && checkpoint.logics_msg_timestamp == 0)
      checkpoint.physic_msg_timestamp = checkpoint.logics_msg_timestamp = recovered.last_store_timestamp;
    for (const scan::IndexFileInfo& one : survey.index_files) {
      RMQ_TRY(file, files.open(one.path));
      std::array<std::byte, format::kIndexHeaderSize> head{};
      RMQ_TRY(got, file->read_at(0, head));
      const auto header = format::IndexHeader::parse(std::span(head).first(got));
      if (!header || header->end_timestamp > checkpoint.physic_msg_timestamp) continue;
      checkpoint.index_msg_timestamp = std::max(checkpoint.index_msg_timestamp, header->end_timestamp);
    }
    if (checkpoint == claimed) return {};
    RMQ_TRY(file, files.open_for_write(survey.checkpoint->path));
    RMQ_CHECK(file->write_at(0, checkpoint.encode()));
    return file->sync();
  }

  io::FileSystem& files_;
  const ApplyOptions& options_;
  const std::string& root_;
  std::shared_ptr<io::FileLock> lock_;
  Applied applied_;
};

}  // namespace

Applied apply_repair(io::FileSystem& files, const ApplyOptions& options) {
  return Applier(files, options).run();
}

}  // namespace rmq::repair
