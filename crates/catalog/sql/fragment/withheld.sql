-- Whether the value stays in the server, from what its name and its shape say: {} is the lateral row with the shape.
{}.shape <> 'empty'
and case named.disclosure
    when 'hide' then true
    when 'show' then {}.blatant
    when 'tenant' then {}.blatant or {}.shape not in ('boolean', 'number', 'uuid', 'word')
    else {}.shape <> 'boolean'
end
