import pytest

from c2rl.corpora import table

HEADER = "id,path,start,end,sentence,split,language,signer,group,box\n"


def read(folder, text, name="table.csv"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return table.clips(folder)


def test_quotes_commas_and_line_breaks_belong_to_the_sentence(tmp_path):
    (clip,) = read(
        tmp_path, HEADER + 'a,v/a.mp4,0.5,2,"He said ""you know"",\nthen left",train,,,,\n'
    )
    assert clip.sentence == 'He said "you know",\nthen left'
    assert (clip.id, clip.source, clip.split) == ("a", "v/a.mp4", "train")
    assert (clip.start_s, clip.end_s, clip.language) == (0.5, 2.0, "en")
    assert (clip.signer, clip.group, clip.box) == (None, None, None)


def test_optional_columns_are_read(tmp_path):
    (clip,) = read(tmp_path, HEADER + "a,a.mp4,,,Grüß Gott,dev,de,anna,g1,1 2 30 40\n")
    assert (clip.start_s, clip.end_s, clip.language) == (None, None, "de")
    assert (clip.signer, clip.group, clip.box) == ("anna", "g1", (1, 2, 30, 40))


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    text = "id,path,start,end,sentence,split\r\na,a.mp4,,,äh,test\r\n"
    (clip,) = read(tmp_path, b"\xef\xbb\xbf" + text.encode())
    assert (clip.id, clip.sentence) == ("a", "äh")


def test_tabs_and_json_lines_say_the_same(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "j").mkdir()
    tabs = read(
        tmp_path / "t",
        "id\tpath\tstart\tend\tsentence\tsplit\tbox\na\ta.mp4\t\t2.5\thi, you\ttrain\t1 2 3 4\n",
        "table.tsv",
    )
    lines = read(
        tmp_path / "j",
        '{"id": "a", "path": "a.mp4", "end": 2.5, "sentence": "hi, you", "split": "train",'
        ' "box": [1, 2, 3, 4]}\n\n',
        "table.jsonl",
    )
    assert tabs == lines


def test_all_problems_are_told_at_once_one_a_line(tmp_path):
    rows = [
        "a,a.mp4,,,one,train,,,,",
        "a,b.mp4,,,two,dev,,,,",
        "c,a.mp4,,,three,test,,,,",
        "d,d.mp4,x,,four,train,,,,",
        "e,e.mp4,3,2,five,train,,,,",
        "f,f.mp4,,,six,val,,,,",
        "g,g.mp4,,,seven,train,,,,4 4 1 1",
        "h,,,,eight,train,,,,",
        "i,i.mp4,nan,,nine,train,,,,",
        "j,j.mp4,,,ten",
    ]
    with pytest.raises(ValueError, match=r"is not valid") as caught:
        read(tmp_path, HEADER + "\n".join(rows) + "\n")
    told = str(caught.value).splitlines()
    expected = [
        "line 5: start is 'x', expected a number of 0 or more",
        "line 6: end is '2', expected seconds after start (3)",
        "line 7: split is 'val', expected one of train, dev, test",
        "line 8: box is '4 4 1 1', expected x0 y0 x1 y1 in whole pixels with x0 < x1 and y0 < y1",
        "line 9: path is '', expected some text",
        "line 10: start is 'nan', expected a number of 0 or more",
        "line 11: 5 cells, expected 10",
        "line 3: id 'a' is already on line 2, as dev and train",
        "line 4: a.mp4 from 0 s is test, but on line 2 the same segment is train",
    ]
    assert [line.strip() for line in told[1:]] == expected


def test_missing_columns_are_named_with_what_was_found(tmp_path):
    with pytest.raises(ValueError, match=r"missing: id, split \(found name, path, start, end, sen"):
        read(tmp_path, "name,path,start,end,sentence\na,a.mp4,,,hi\n")
    with pytest.raises(ValueError, match=r"columns unknown: speaker"):
        read(tmp_path, "id,path,start,end,sentence,split,speaker\na,a.mp4,,,hi,train,x\n")


def test_another_encoding_is_told_with_its_line(tmp_path):
    text = "id,path,start,end,sentence,split\na,a.mp4,,,hi,train\nb,b.mp4,,,größe,train\n"
    with pytest.raises(ValueError, match=r"line 3: byte 0xf6 is not UTF-8"):
        read(tmp_path, text.encode("latin-1"))


@pytest.mark.parametrize(
    "line", ["[1]", "{", '{"id": "a"}', '{"id": 1, "path": "a", "sentence": "", "split": "train"}']
)
def test_wrong_json_lines_are_told(tmp_path, line):
    with pytest.raises(ValueError, match=r"line 1: "):
        read(tmp_path, line + "\n", "table.jsonl")


def test_an_absent_empty_or_ambiguous_table_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected one of table.csv"):
        table.clips(tmp_path)
    with pytest.raises(ValueError, match=r"no clips"):
        read(tmp_path, HEADER)
    (tmp_path / "table.tsv").touch()
    with pytest.raises(ValueError, match=r"table.csv, table.tsv; expected one"):
        table.clips(tmp_path)


def test_the_same_person_twice_in_one_frame_is_no_leak(tmp_path):
    rows = "a,a.mp4,,,one,train,,,,0 0 9 9\nb,a.mp4,,,two,dev,,,,9 0 18 9\n"
    assert len(read(tmp_path, HEADER + rows)) == 2
